"""The script that makes changes, and the one that asks what a batch of them came to.

A *batch* is several changes that are made one after the other; each is made whole or not at all, and a refused one
holds up no other. Its arguments are a header, and for each change one of

    S subject type version data                             one event without id and headers
    M subject count (type version data)*                    many of them
    C six counts, then expect*, put*, delete*, append*, reserve*, free*

Rule 1: a member numbers its batches. One that is not above the last is not made: its outcome is returned instead, so
        that a batch whose answer was lost can be asked for, and a copy that comes late does nothing.
Rule 2: what is refused is found before anything is written. Where memory is full the server refuses a script at its
        first write or not at all, so nothing fails in the middle; storing an event begins with a write that it checks.
Rule 3: with *relief* the script may write although memory is full: for changes that append nothing, such as an
        acknowledgement, or nothing could ever be removed.

The outcome is a text: for each change ``=rev;numbers``, ``O`` and the places of what is outdated, or ``I`` and the
place of the append (``a``) or reserve (``r``) whose id is taken, and 1 where that is scheduled, 2 where the same
event is stored.
"""

from __future__ import annotations

from typing import Final

COMMIT: Final = """
if redis.replicate_commands then redis.replicate_commands() end
local call, format, concat = redis.call, string.format, table.concat
local meta = KEYS[1]
local base = string.sub(meta, 1, -5)
local lineage, high, member, number, keep, relief = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4], ARGV[5], ARGV[6]

local found = call('HMGET', meta, 'lineage', 'seq', 'rev', 'time')
if found[1] ~= lineage or tonumber(found[2]) < high then return 'LINEAGE' end
local mine = base .. 'member:' .. member
local last = call('HMGET', mine, 'number', 'outcome')
if last[1] and tonumber(last[1]) >= tonumber(number) then return last[2] or 'VOID' end

local seq, rev = tonumber(found[2]), tonumber(found[3])
local clock = call('TIME')
local time = math.max(tonumber(clock[1]) * 1000000 + tonumber(clock[2]), tonumber(found[4]))
local now = format('%.0f', time)
local first_seq, first_rev, ends, streams = seq, rev, {}, {}
local i, n, out = 7, #ARGV, {}
if relief == '1' then call('DEL', base .. 'relief') end

local function store(subject, kind, version, data, id, headers)
    seq = seq + 1
    local at = format('%.0f', seq)
    local stream = streams[subject]
    if not stream then stream = base .. 'events:' .. subject; streams[subject] = stream end
    ends[subject] = at
    if id == '' and headers == '' then
        call('XADD', stream, at .. '-0', 'type', kind, 'version', version, 'time', now, 'data', data)
    elseif headers == '' then
        call('XADD', stream, at .. '-0', 'type', kind, 'version', version, 'time', now, 'data', data, 'id', id)
    elseif id == '' then
        call('XADD', stream, at .. '-0', 'type', kind, 'version', version, 'time', now, 'data', data,
            'headers', headers)
    else
        call('XADD', stream, at .. '-0', 'type', kind, 'version', version, 'time', now, 'data', data, 'id', id,
            'headers', headers)
    end
end

local function look(key)
    local kept = call('GET', key)
    if not kept then return nil end
    local space = string.find(kept, ' ', 1, true)
    return {tonumber(string.sub(kept, 1, space - 1)), string.sub(kept, space + 1)}
end

local function keep_id(key, taken)
    local kept = format('%.0f', taken[1]) .. ' ' .. taken[2]
    if taken[1] == 0 then call('SET', key, kept)
    elseif keep ~= '0' then call('SET', key, kept, 'PX', keep) end
end

local function put(dir, field, due, value, version)
    if call('HSET', base .. 'records:' .. dir, field, version .. ' ' .. due .. ' ' .. value) == 1 then
        call('ZADD', base .. 'dirs', 0, dir)
    end
    if due == '-' then call('ZREM', base .. 'due:' .. dir, field)
    else call('ZADD', base .. 'due:' .. dir, due, field) end
end

local function delete(dir, field)
    if call('HDEL', base .. 'records:' .. dir, field) == 1 then
        call('ZREM', base .. 'due:' .. dir, field)
        if call('EXISTS', base .. 'records:' .. dir) == 0 then call('ZREM', base .. 'dirs', dir) end
    end
end

-- A change: `at` is where its six counts are. Returns where the next one begins, and its outcome.
local function make(at)
    local expects, puts, deletes = tonumber(ARGV[at]), tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
    local appends, reserves, frees = tonumber(ARGV[at + 3]), tonumber(ARGV[at + 4]), tonumber(ARGV[at + 5])
    local from_expect = at + 6
    local from_put = from_expect + 3 * expects
    local from_delete = from_put + 4 * puts
    local from_append = from_delete + 2 * deletes
    local from_reserve = from_append + 8 * appends
    local from_free = from_reserve + 3 * reserves
    local after = from_free + 2 * frees

    local outdated = {}
    for e = 0, expects - 1 do
        local p = from_expect + 3 * e
        local kept = call('HGET', base .. 'records:' .. ARGV[p], ARGV[p + 1])
        local version = kept and string.sub(kept, 1, string.find(kept, ' ', 1, true) - 1) or '0'
        if version ~= ARGV[p + 2] then outdated[#outdated + 1] = e end
    end
    if #outdated > 0 then return after, 'O' .. concat(outdated, ',') end

    local claimed, numbers, is_new, next_seq = {}, {}, {}, seq
    for a = 0, appends - 1 do
        local p = from_append + 8 * a
        local id, taken = ARGV[p + 4], nil
        local key = base .. 'id:' .. ARGV[p] .. ':' .. id
        if id ~= '' then
            taken = claimed[key] or look(key)
            if taken and taken[1] == 0 and ARGV[p + 7] == '1' then taken = nil end
        end
        if taken then
            if taken[1] == 0 or taken[2] ~= ARGV[p + 5] then
                return after, 'Ia' .. a .. (taken[1] == 0 and ',1' or ',0')
            end
            numbers[a + 1] = format('%.0f', taken[1])
        else
            next_seq = next_seq + 1
            numbers[a + 1] = format('%.0f', next_seq)
            is_new[a] = true
            if id ~= '' then claimed[key] = {next_seq, ARGV[p + 5]} end
        end
    end
    for r = 0, reserves - 1 do
        local p = from_reserve + 3 * r
        local key = base .. 'id:' .. ARGV[p] .. ':' .. ARGV[p + 1]
        local taken = claimed[key] or look(key)
        if taken then
            local how = taken[1] == 0 and ',1' or taken[2] == ARGV[p + 2] and ',2' or ',0'
            return after, 'Ir' .. r .. how
        end
        claimed[key] = {0, ARGV[p + 2]}
    end

    rev = rev + 1
    local version = format('%.0f', rev)
    for a = 0, appends - 1 do
        local p = from_append + 8 * a
        if is_new[a] then
            store(ARGV[p], ARGV[p + 1], ARGV[p + 2], ARGV[p + 3], ARGV[p + 4], ARGV[p + 6])
        end
    end
    for key, taken in pairs(claimed) do keep_id(key, taken) end
    for f = 0, frees - 1 do
        local key = base .. 'id:' .. ARGV[from_free + 2 * f] .. ':' .. ARGV[from_free + 2 * f + 1]
        local taken = look(key)
        if taken and taken[1] == 0 then call('DEL', key) end
    end
    for d = 0, deletes - 1 do delete(ARGV[from_delete + 2 * d], ARGV[from_delete + 2 * d + 1]) end
    for q = 0, puts - 1 do
        local p = from_put + 4 * q
        put(ARGV[p], ARGV[p + 1], ARGV[p + 2], ARGV[p + 3], version)
    end
    return after, '=' .. version .. ';' .. concat(numbers, ',')
end

while i <= n do
    local kind = ARGV[i]
    if kind == 'S' then
        rev = rev + 1
        store(ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4], '', '')
        out[#out + 1] = '=' .. format('%.0f', rev) .. ';' .. format('%.0f', seq)
        i = i + 5
    elseif kind == 'M' then
        rev = rev + 1
        local subject, count = ARGV[i + 1], tonumber(ARGV[i + 2])
        out[#out + 1] = '=' .. format('%.0f', rev) .. ';' .. format('%.0f', seq + 1) .. '+'
        for p = i + 3, i + 3 * count, 3 do store(subject, ARGV[p], ARGV[p + 1], ARGV[p + 2], '', '') end
        i = i + 3 + 3 * count
    else
        i, out[#out + 1] = make(i + 1)
    end
end

local outcome = concat(out, ' ')
if rev == first_rev then return outcome end
local newest = format('%.0f', rev)
if seq == first_seq then call('HSET', meta, 'rev', newest)
else call('HSET', meta, 'seq', format('%.0f', seq), 'rev', newest, 'time', now) end
for subject, at in pairs(ends) do call('HSET', base .. 'ends', subject, at) end
call('XADD', base .. 'bell', 'MAXLEN', '1', newest .. '-0', 'seq', format('%.0f', seq))
call('HSET', mine, 'number', number, 'outcome', outcome)
return outcome
"""

ASK: Final = """
local mine = string.sub(KEYS[1], 1, -5) .. 'member:' .. ARGV[1]
local last = redis.call('HMGET', mine, 'number', 'outcome')
if last[1] and tonumber(last[1]) >= tonumber(ARGV[2]) then return last[2] or 'VOID' end
redis.call('DEL', string.sub(KEYS[1], 1, -5) .. 'relief')
redis.call('HSET', mine, 'number', ARGV[2], 'outcome', 'VOID')
return 'VOID'
"""
"""What a batch came to; ``VOID`` if it was not made, and then it never will be."""
