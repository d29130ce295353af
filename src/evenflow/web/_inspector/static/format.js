// Numbers and times as they are read at a glance.

const WHOLE = new Intl.NumberFormat("en");
const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });

/** A counter, exact. */
export const whole = (number) => (number === null || number === undefined ? "–" : WHOLE.format(number));

/** A rate, in three digits. */
export function rate(number) {
  if (!number) return "0";
  if (number < 0.1) return "<0.1";
  if (number < 10) return number.toFixed(1);
  if (number < 9_999.5) return WHOLE.format(Math.round(number));
  if (number < 999_500) return `${(number / 1e3).toFixed(number < 99_950 ? 1 : 0)}k`;
  return `${(number / 1e6).toFixed(1)}M`;
}

/** Seconds, in words. */
export function seconds(number, tenths = true) {
  if (number < 10 && tenths) return `${number.toFixed(1)} s`;
  if (number < 100) return `${Math.round(number)} s`;
  if (number < 6_000) return `${Math.round(number / 60)} min`;
  if (number < 172_800) return `${Math.round(number / 3_600)} h`;
  return `${Math.round(number / 86_400)} d`;
}

export function bytes(number) {
  if (number < 1_000) return `${number} B`;
  if (number < 1e6) return `${(number / 1e3).toFixed(0)} kB`;
  return number < 1e9 ? `${(number / 1e6).toFixed(1)} MB` : `${(number / 1e9).toFixed(1)} GB`;
}

/** A time of day. */
export const clock = (epoch) => CLOCK.format(new Date(epoch * 1000));

/** How full a buffer is, as a word that has a colour. */
export function tone(row) {
  if (row.holding) return "full";
  if (!row.capacity) return "ok";
  if (row.conflated && row.capacity === 1) return "ok"; // one value waits, and the next one replaces it
  const fill = row.waiting / row.capacity;
  return fill >= 0.9 ? "full" : fill >= 0.5 ? "warm" : "ok";
}
