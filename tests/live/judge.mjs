// Answers what the page would say: on standard input {scripts, cases}, on standard output the replies.
import { readFileSync } from "node:fs";

const { scripts, cases } = JSON.parse(readFileSync(0, "utf-8"));
const code = scripts.map((path) => readFileSync(path, "utf-8")).join("\n");
const page = new Function(`${code}; return { unseal, readings, judgeNumbers, judgeWords };`)();
const replies = cases.map(({ name, sealed, answer, count }) => {
  if (count !== undefined) return page.readings(answer, count);
  const table = page.unseal(name, sealed);
  return table.kind === "words" ? page.judgeWords(table, answer) : page.judgeNumbers(table, answer);
});
process.stdout.write(JSON.stringify(replies));
