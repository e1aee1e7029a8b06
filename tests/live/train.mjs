// Trains networks as the page does, with the very code and data of the page: JSON in, JSON out.
import { readFileSync } from "node:fs";

const { engine, script, data, runs } = JSON.parse(readFileSync(0, "utf8"));
const { fromHex, SOLVED } = new Function(`${script}\nreturn { fromHex, SOLVED };`)();
const part = ({ images, masks }, side) => ({ side, images: fromHex(images, 1), masks: fromHex(masks, 1).map((level) => (level > 0 ? 1 : 0)) });
const setOf = (name) => ({ train: part(data[name].train, data[name].side), val: part(data[name].val, data[name].side) });

function train(settings) {
  const heard = [];
  const handle = new Function("send", `${engine}\nreturn runner(send);`)((message) => heard.push(message));
  const channels = Array.from({ length: settings.depth + 1 }, (_, i) => settings.base_channels * 2 ** i);
  const config = { in_channels: 1, num_classes: 1, channels, norm: "batch", skip: settings.skip, upsample: settings.upsample };
  handle({ kind: "begin", settings: { ...settings, config, every: settings.steps, shown: 1 }, data: setOf(settings.data) });
  for (let step = 0; step < settings.steps; step++) handle({ kind: "one" });
  const failed = heard.find(({ kind }) => kind === "failed");
  if (failed) throw new Error(failed.words);
  const of = (kind) => heard.filter((message) => message.kind === kind);
  return { ...settings, weights: of("begun")[0].weights, iou: of("checked").at(-1).iou, last: of("learned").at(-1).loss };
}

const finished = runs.map(train);
const solved = Object.fromEntries(Object.entries(SOLVED).map(([name, check]) => [name, check(finished.map(({ last, ...run }) => run))]));
console.log(JSON.stringify({ finished, solved }));
