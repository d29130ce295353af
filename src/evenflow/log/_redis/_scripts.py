"""The other scripts: the lines of history, members, records that are due, and what is read by position.

Each gets the name of the log's ``meta`` as its key, and works out the others: all are in one slot.
"""

from __future__ import annotations

from hashlib import sha1
from typing import Final

from ._commit_script import ASK, COMMIT

_BASE: Final = "local call, base = redis.call, string.sub(KEYS[1], 1, -5)\n"

BEGIN: Final = (
    _BASE
    + """
if redis.replicate_commands then redis.replicate_commands() end
local meta, fresh, known, lineages = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
local high, high_rev, leap = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local clock = call('TIME')
local now = clock[1] .. string.format('%06d', tonumber(clock[2]))
local found = call('HMGET', meta, 'format', 'lineages', 'lineage', 'seq', 'rev', 'floor')
if found[1] and found[1] ~= '1' then return {'FORMAT', found[1]} end
local seq, rev = tonumber(found[4] or '0'), tonumber(found[5] or '0')
local what = 'same'
if not found[1] then
    for _, value in ipairs(call('HVALS', base .. 'ends')) do seq = math.max(seq, tonumber(value)) end
    what = known == '' and 'made' or 'empty'
    found[2], found[6] = lineages, '0'
elseif known ~= '' and not string.find(' ' .. found[2], ' ' .. known .. '@', 1, true) then
    what = 'foreign'
elseif known ~= '' and (seq < high or rev < high_rev) then
    what = 'behind'
end
if what == 'same' then return {what, found[2], found[4], found[5], now} end
local line = fresh .. '@' .. string.format('%.0f', seq)
lineages = found[2] == '' and line or found[2] .. ' ' .. line
if what == 'made' then
    rev = rev + leap
else
    if what ~= 'behind' then found[6] = ARGV[4] end
    seq, rev = math.max(seq, high) + leap, math.max(rev, high_rev) + leap
end
seq, rev = string.format('%.0f', seq), string.format('%.0f', rev)
call('HSET', meta, 'format', '1', 'lineages', lineages, 'lineage', fresh, 'seq', seq, 'rev', rev,
    'floor', found[6] or '0')
call('HSETNX', meta, 'time', '0')
return {what, lineages, seq, rev, now}
"""
)
"""Open the log, or begin a new line of its history: for a server that has less than this process knows of."""

BEAT: Final = (
    _BASE
    + """
if redis.replicate_commands then redis.replicate_commands() end
local clock = call('TIME')
local at = clock[1] .. string.format('%06d', tonumber(clock[2]))
call('DEL', base .. 'relief')
call('HSET', base .. 'member:' .. ARGV[1], 'at', at, 'closed', ARGV[3])
call('PEXPIRE', base .. 'member:' .. ARGV[1], ARGV[2])
call('PEXPIRE', base .. 'begun:' .. ARGV[1], ARGV[2])
return at
"""
)

PULSES: Final = (
    _BASE
    + """
local clock, found = call('TIME'), {}
local now = tonumber(clock[1]) * 1000000 + tonumber(clock[2])
for i, member in ipairs(ARGV) do
    local known = call('HMGET', base .. 'member:' .. member, 'at', 'closed')
    if known[1] then
        local age = string.format('%.0f', math.max(0, now - tonumber(known[1])))
        found[i] = {known[1], age, known[2] or '0', call('SMEMBERS', base .. 'begun:' .. member)}
    else
        found[i] = {}
    end
end
return found
"""
)

LOAD: Final = (
    _BASE
    + """
local prefix, found = ARGV[1], {}
local inside = string.match(prefix, '^.*/') or ''
local dirs = call('ZRANGEBYLEX', base .. 'dirs', '[' .. prefix, '[' .. prefix .. '\\255')
if inside ~= prefix and call('ZSCORE', base .. 'dirs', inside) then dirs[#dirs + 1] = inside end
for _, dir in ipairs(dirs) do
    found[#found + 1] = dir
    found[#found + 1] = call('HGETALL', base .. 'records:' .. dir)
end
return found
"""
)

DUE: Final = (
    _BASE
    + """
local prefix, limit, found = ARGV[1], tonumber(ARGV[3]), {}
for _, dir in ipairs(call('ZRANGEBYLEX', base .. 'dirs', '[' .. prefix, '[' .. prefix .. '\\255')) do
    for _, field in ipairs(call('ZRANGEBYSCORE', base .. 'due:' .. dir, '-inf', ARGV[2], 'LIMIT', 0, limit)) do
        found[#found + 1] = {dir, field, call('HGET', base .. 'records:' .. dir, field)}
    end
end
return found
"""
)

NEXT: Final = (
    _BASE
    + """
local found = false
for _, dir in ipairs(call('ZRANGEBYLEX', base .. 'dirs', '[' .. ARGV[1], '[' .. ARGV[1] .. '\\255')) do
    local first = call('ZRANGE', base .. 'due:' .. dir, 0, 0, 'WITHSCORES')
    if first[2] and (not found or tonumber(first[2]) < tonumber(found)) then found = first[2] end
end
return found
"""
)

PLACE: Final = (
    _BASE
    + """
local stream, time = base .. 'events:' .. ARGV[1], tonumber(ARGV[2])
local function seq_of(entry) return tonumber(string.match(entry[1], '^%d+')) end
local function time_of(entry)
    for f = 1, #entry[2], 2 do if entry[2][f] == 'time' then return tonumber(entry[2][f + 1]) end end
end
local first = call('XRANGE', stream, '-', '+', 'COUNT', 1)[1]
local last = call('XREVRANGE', stream, '+', '-', 'COUNT', 1)[1]
if not first or time_of(last) < time then return call('HGET', base .. 'ends', ARGV[1]) or '0' end
local low, high = seq_of(first), seq_of(last)
-- the first event at or after the time has a number from low to high
while low < high do
    local middle = math.floor((low + high) / 2)
    local entry = call('XRANGE', stream, string.format('%.0f-0', middle), '+', 'COUNT', 1)[1]
    if time_of(entry) < time then low = seq_of(entry) + 1 else high = middle end
end
return string.format('%.0f', low - 1)
"""
)

OLDER: Final = (
    _BASE
    + """
local stream = base .. 'events:' .. ARGV[1]
local entries = call('XRANGE', stream, ARGV[2] .. '-0', '+', 'COUNT', ARGV[3])
local last = entries[#entries]
return {#entries, last and string.match(last[1], '^%d+') or '0'}
"""
)

TRIM: Final = (
    _BASE
    + """
local stream = base .. 'events:' .. ARGV[1]
local entries = call('XRANGE', stream, '-', ARGV[2] .. '-0', 'COUNT', ARGV[3])
if #entries == 0 then return 0 end
local last = string.match(entries[#entries][1], '^%d+')
call('XTRIM', stream, 'MINID', string.format('%.0f-0', tonumber(last) + 1))
call('HSET', base .. 'floors', ARGV[1], last)
return #entries
"""
)

SCRIPTS: Final = (COMMIT, ASK, BEGIN, BEAT, PULSES, LOAD, DUE, NEXT, PLACE, OLDER, TRIM)
SHA: Final = {script: sha1(script.encode(), usedforsecurity=False).hexdigest() for script in SCRIPTS}
"""What the server calls each script."""
