// Calls the site with ElevenLabs' JavaScript client 1.59.0; prints what came of each call as JSON.
// A program of its own: see test_former_clients.py.
import { createRequire } from "node:module";
import { createReadStream, readFileSync, statSync } from "node:fs";

const require = createRequire(process.env.CLIENT_FOLDER + "/");
const { ElevenLabsClient } = require("elevenlabs");

const client = new ElevenLabsClient({
  apiKey: process.env.API_KEY,
  environment: { base: process.env.SITE_URL, wss: process.env.SITE_URL.replace("http", "ws") },
});
const { VOICE, RECORDING } = process.env;
const NAME = "Rachel";
const SPOKEN = "An old client speaks.";
const results = {};

async function bytes(stream) {
  let count = 0;
  for await (const chunk of stream) count += chunk.length;
  return { bytes: count };
}

const calls = {
  speech: async () =>
    bytes(await client.textToSpeech.convert(VOICE, { text: SPOKEN, model_id: "eleven_monolingual_v1" })),
  history: async () => {
    const page = await client.history.getAll({ page_size: 1 });
    const [item] = page.history;
    const id = item.history_item_id;
    const answer = {
      text: (await client.history.get(id)).text,
      characters: item.character_count_change_to - item.character_count_change_from,
      ...(await bytes(await client.history.getAudio(id))),
      hasMore: page.has_more,
    };
    await client.history.delete(id);
    const left = (await client.history.getAll()).history.map((one) => one.history_item_id);
    return { ...answer, isDeleted: !left.includes(id) };
  },
  by_name: async () =>
    bytes(await client.generate({ text: SPOKEN, voice: NAME, model_id: "eleven_turbo_v2" })),
  streamed: async () => bytes(await client.textToSpeech.convertAsStream(VOICE, { text: SPOKEN })),
  timed: async () => {
    const answer = await client.textToSpeech.convertWithTimestamps(VOICE, { text: SPOKEN });
    return { text: answer.alignment.characters.join("") };
  },
  timed_stream: async () => {
    let text = "";
    for await (const line of await client.textToSpeech.streamWithTimestamps(VOICE, { text: SPOKEN })) {
      text += line.alignment ? line.alignment.characters.join("") : "";
    }
    return { text };
  },
  // A stream has no length: the form goes out in chunks.
  isolation: async () =>
    bytes(await client.audioIsolation.audioIsolation({ audio: createReadStream(RECORDING) })),
  isolation_stream: async () =>
    bytes(await client.audioIsolation.audioIsolationStream({ audio: createReadStream(RECORDING) })),
  voices: async () => {
    const listed = (await client.voices.getAll()).voices;
    const found = (await client.voices.search({ page_size: 5, search: NAME })).voices;
    return { isListed: [listed, found].every((all) => all.some((one) => one.voice_id === VOICE)) };
  },
  voice: async () => {
    const one = await client.voices.get(VOICE);
    return { name: one.name, stability: one.settings.stability };
  },
  settings: async () => {
    await client.voices.editSettings(VOICE, { stability: 0.3 });
    const kept = await client.voices.getSettings(VOICE);
    return { stability: kept.stability, usual: (await client.voices.getDefaultSettings()).stability };
  },
  models: async () => ({ ids: (await client.models.getAll()).map((model) => model.model_id) }),
  account: async () => {
    const plan = await client.user.getSubscription();
    const { tier } = (await client.user.get()).subscription;
    return { tier, left: plan.character_limit - plan.character_count };
  },
  own_voice: async () => {
    const { voice_id: id } = await client.voices.add({ name: "Mine", files: [createReadStream(RECORDING)] });
    const spoken = await bytes(await client.textToSpeech.convert(id, { text: SPOKEN }));
    const sample = (await client.voices.get(id)).samples[0].sample_id;
    const kept = await bytes(await client.samples.getAudio(id, sample));
    if (kept.bytes !== statSync(RECORDING).size) throw new Error("the sample is another one");
    await client.voices.edit(id, { name: "Still mine" });
    const { name } = await client.voices.get(id);
    await client.voices.delete(id);
    const left = (await client.voices.getAll()).voices.map((one) => one.voice_id);
    return { ...spoken, name, isDeleted: !left.includes(id) };
  },
  dictionaries: async () => {
    const books = client.pronunciationDictionary;
    const alias = (word, spoken) => ({ type: "alias", string_to_replace: word, alias: spoken });
    const { id } = await books.addFromRules({ name: "Names", rules: [alias("UN", "United Nations")] });
    await books.addRules(id, { rules: [alias("EU", "European Union")] });
    await books.removeRules(id, { rule_strings: ["EU"] });
    const read = await books.get(id);
    const listed = (await books.getAll()).pronunciation_dictionaries;
    let lexicon = "";
    for await (const chunk of await books.download(id, read.latest_version_id)) lexicon += Buffer.from(chunk).toString();
    return {
      name: read.name,
      isListed: listed.some((one) => one.id === id),
      hasRule: lexicon.includes("United"),
    };
  },
  no_voice: async () =>
    client.voices.add({ name: "Nobody", files: [new Blob(["This is no sound."])] }),
  unknown_voice: async () => client.voices.get("nobody"),
};

for (const [name, run] of Object.entries(calls)) {
  try {
    results[name] = await run();
  } catch (error) {
    results[name] = { error: `${error.name}: ${error.message}`.slice(0, 2000) };
  }
}
console.log(JSON.stringify(results));
