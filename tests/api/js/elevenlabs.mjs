// Calls every path that we serve with ElevenLabs' own strict client, and says what came of it.
// Prints one JSON object: the name of each call, and a summary or the error.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";

const require = createRequire(process.env.CLIENT_FOLDER + "/");
const { ElevenLabsClient } = require("@elevenlabs/elevenlabs-js");

const client = new ElevenLabsClient({
  apiKey: process.env.API_KEY,
  baseUrl: process.env.SITE_URL,
  maxRetries: 0,
});
const recording = readFileSync(process.env.RECORDING);
const GEORGE = "JBFqnCBsd6RMkjVDRZzb";
const RACHEL = "21m00Tcm4TlvDq8ikWAM";
const inputs = [
  { text: "Knock knock.", voiceId: GEORGE },
  { text: "Who is there?", voiceId: RACHEL },
];
const results = {};

async function call(name, run) {
  try {
    results[name] = await run();
  } catch (error) {
    results[name] = { error: `${error.name}: ${error.message}`.slice(0, 2000) };
  }
  return results[name];
}

async function bytes(stream) {
  let count = 0;
  for await (const chunk of stream) count += chunk.length;
  return { bytes: count };
}

const blob = () => new Blob([recording]);
const pause = (milliseconds) => new Promise((wake) => setTimeout(wake, milliseconds));

const order = { text: "Hello from the other client.", modelId: "eleven_multilingual_v2" };
let item;
await call("convert", async () => {
  const { data, rawResponse } = await client.textToSpeech
    .convert(GEORGE, { ...order, voiceSettings: { stability: 0.5 } })
    .withRawResponse();
  item = rawResponse.headers.get("history-item-id");
  return { ...(await bytes(data)), item };
});
await call("stream", async () =>
  bytes(await client.textToSpeech.stream(GEORGE, { ...order, outputFormat: "pcm_16000" })),
);
await call("convertWithTimestamps", async () => {
  const answer = await client.textToSpeech.convertWithTimestamps(GEORGE, order);
  return { text: answer.alignment.characters.join("") };
});
await call("streamWithTimestamps", async () => {
  let text = "";
  for await (const line of await client.textToSpeech.streamWithTimestamps(GEORGE, order)) {
    text += line.alignment ? line.alignment.characters.join("") : "";
  }
  return { text };
});
await call("dialogue", async () => bytes(await client.textToDialogue.convert({ inputs })));
await call("dialogueStream", async () => bytes(await client.textToDialogue.stream({ inputs })));
await call("dialogueWithTimestamps", async () => {
  const answer = await client.textToDialogue.convertWithTimestamps({ inputs });
  return { voices: answer.voiceSegments.map((one) => one.voiceId) };
});
await call("dialogueStreamWithTimestamps", async () => {
  const voices = new Set();
  for await (const line of await client.textToDialogue.streamWithTimestamps({ inputs })) {
    for (const one of line.voiceSegments) voices.add(one.voiceId);
  }
  return { voices: [...voices] };
});
await call("isolation", async () => bytes(await client.audioIsolation.convert({ audio: blob() })));
await call("isolationStream", async () =>
  bytes(await client.audioIsolation.stream({ audio: blob() })),
);
await call("isolationHistory", async () => {
  const page = await client.audioIsolation.list({ pageSize: 5 });
  await client.audioIsolation.delete(page.items[0].id);
  return { items: page.items.length };
});

await call("voices", async () => ({ voices: (await client.voices.getAll()).voices.length }));
await call("search", async () => {
  const page = await client.voices.search({ pageSize: 3, search: "rachel" });
  return { first: page.voices[0].voiceId, total: page.totalCount };
});
await call("searchWithoutCount", async () => {
  const page = await client.voices.search({ pageSize: 3, includeTotalCount: false });
  return { hasMore: page.hasMore };
});
await call("voice", async () => ({ name: (await client.voices.get(GEORGE)).name }));
await call("shared", async () => ({
  voices: (await client.voices.getShared({ pageSize: 2 })).voices.length,
}));
await call("settings", async () => {
  await client.voices.settings.getDefault();
  await client.voices.settings.update(RACHEL, { stability: 0.3 });
  return { stability: (await client.voices.settings.get(RACHEL)).stability };
});
const made = await call("addVoice", async () => {
  const answer = await client.voices.ivc.create({ name: "Mine", files: [blob()] });
  return { id: answer.voiceId, verify: answer.requiresVerification };
});
await call("ownVoice", async () => {
  const voice = await client.voices.get(made.id);
  const sample = voice.samples[0].sampleId;
  const heard = await bytes(await client.voices.samples.audio.get(made.id, sample));
  await client.voices.update(made.id, { name: "Still mine" });
  await client.samples.delete(made.id, sample);
  const { name, samples } = await client.voices.get(made.id);
  return { ...heard, name, samples: samples.length };
});
await call("deleteVoice", async () => ({ status: (await client.voices.delete(made.id)).status }));

await call("models", async () => ({
  ids: (await client.models.list()).map((model) => model.modelId),
}));
await call("user", async () => ({ tier: (await client.user.get()).subscription.tier }));
await call("subscription", async () => {
  const plan = await client.user.subscription.get();
  return { left: plan.characterLimit - plan.characterCount };
});

await call("history", async () => {
  for (let tries = 0; tries < 100; tries += 1) {
    const page = await client.history.list({ pageSize: 50 });
    if (page.history.some((one) => one.historyItemId === item)) return { found: true };
    await pause(100);
  }
  return { found: false };
});
await call("historyItem", async () => ({ text: (await client.history.get(item)).text }));
await call("historyAudio", async () => bytes(await client.history.getAudio(item)));
await call("download", async () => bytes(await client.history.download({ historyItemIds: [item] })));
await call("deleteItem", async () => ({ status: (await client.history.delete(item)).status }));

const alias = (word, spoken) => ({
  type: "alias",
  stringToReplace: word,
  alias: spoken,
  caseSensitive: true,
  wordBoundaries: true,
});
await call("dictionaries", async () => {
  const dictionaries = client.pronunciationDictionaries;
  const { id } = await dictionaries.createFromRules({
    name: "Names",
    rules: [alias("UN", "United Nations")],
  });
  await dictionaries.rules.add(id, { rules: [alias("EU", "European Union")] });
  await dictionaries.rules.set(id, { rules: [alias("A", "B"), alias("C", "D")] });
  await dictionaries.rules.remove(id, { ruleStrings: ["C"] });
  await dictionaries.update(id, { name: "Other" });
  const read = await dictionaries.get(id);
  const lexicon = await bytes(await dictionaries.download(id, read.latestVersionId));
  const listed = (await dictionaries.list({ pageSize: 100 })).pronunciationDictionaries;
  return {
    name: read.name,
    words: read.rules.map((rule) => rule.stringToReplace),
    isListed: listed.some((one) => one.id === id),
    ...lexicon,
  };
});
await call("usage", async () => {
  const now = Date.now();
  const usage = await client.usage.get({ startUnix: now - 86400000, endUnix: now + 60000 });
  return { times: usage.time.length };
});

await call("empty", async () => bytes(await client.textToSpeech.convert(GEORGE, { text: " " })));
await call("unknownVoice", async () => client.voices.get("nobody"));

console.log(JSON.stringify(results));
