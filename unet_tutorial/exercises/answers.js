// How an answer in the page stands: what _reading.py and _values.py do in a notebook, for texts. A test compares them.

const GROUPS = /^[+-]?\d{1,3}([ ,'_\u00a0\u2009\u202f])\d{3}(\1\d{3})*(\.\d+)?$/;
const COMMA = /^[+-]?\d*,\d+$/;
const PLAIN = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
const FRACTION = /^([+-]?\d+)\s*\/\s*(\d+)$/;
const UNIT = /(?<=[\d.])\s*\p{L}+\.?$/u;
const BETWEEN = /\s*[\s,;x\u00d7]\s*/;

function readings(text, count) {
  text = text.trim().replace(/^["']+|["']+$/g, "").replace(/[\u2212\u2013]/g, "-");
  let bare = text.replace(/[()[\]{}]/g, " ").trim();
  if (count !== 1) {
    const parts = bare.split(BETWEEN).filter((part) => part);
    return parts.length && parts.every((part) => PLAIN.test(part)) ? [parts.map(Number)] : [];
  }
  const share = bare.endsWith("%");
  bare = share ? bare.slice(0, -1).trim() : bare.replace(UNIT, "");
  const found = [];
  const fraction = bare.match(FRACTION);
  if (fraction && Number(fraction[2])) found.push(Number(fraction[1]) / Number(fraction[2]));
  if (GROUPS.test(bare)) found.push(Number(bare.replace(/[ ,'_\u00a0\u2009\u202f]/g, "")));
  if (COMMA.test(bare)) found.push(Number(bare.replace(",", ".")));
  if (PLAIN.test(bare)) found.push(Number(bare));
  return found.length ? found.map((number) => [share ? number / 100 : number]) : readings(bare, 2);
}

function isSame(numbers, right, table) {
  if (table.anyOrder) [numbers, right] = [numbers, right].map((list) => [...list].sort((a, b) => a - b));
  const near = (a, b) => Number.isFinite(a) && Math.abs(a - b) <= Math.max(1e-9 * Math.max(Math.abs(a), Math.abs(b)), table.tolerance);
  return numbers.length === right.length && numbers.every((number, i) => near(number, right[i]));
}

function judgeNumbers(table, text) {
  const { right } = table;
  const found = readings(text, right.length);
  const fitting = found.filter((numbers) => numbers.length === right.length);
  if (fitting.some((numbers) => isSame(numbers, right, table))) return { state: "right" };
  for (const [wrong, reply] of table.known) {
    if (found.some((numbers) => wrong.some((one) => isSame(numbers, one, table)))) return { state: "known", words: reply };
  }
  const asked = right.length === 1 ? "one number" : `${right.length} numbers`;
  if (!found.length) return { state: "unreadable", words: `It cannot be read as ${asked}.` };
  const capital = asked[0].toUpperCase() + asked.slice(1);
  if (!fitting.length) return { state: "unreadable", words: `${capital} ${right.length === 1 ? "is" : "are"} asked for.` };
  return { state: "unknown" };
}

function judgeWords(table, chosen) {
  const isSet = (names) => names.length === chosen.length && names.every((name) => chosen.includes(name));
  if (!chosen.length) return { state: "unreadable", words: "Choose first." };
  if (isSet(table.right)) return { state: "right" };
  const known = table.known.find(([wrong]) => isSet(wrong));
  return known ? { state: "known", words: known[1] } : { state: "unknown" };
}
