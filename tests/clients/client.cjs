// A user of npm's mqtt and ws: sets a mode, reads the answer, watches the tree and the WebSocket.
// node client.cjs <MQTT port> <HTTP port> <MQTT version 4 or 5>
'use strict';
const mqtt = require('mqtt');
const WebSocket = require('ws');

const [port, http, version] = process.argv.slice(2).map(Number);
const mode = 'evcc/loadpoints/1/mode';
const seen = new Map();
const answers = [];
const waiting = [];

function fail(why) {
  console.error(why);
  process.exit(1);
}
setTimeout(() => fail(`waited too long for: ${waiting.map(([what]) => what).join(', ')}`), 15000).unref();

function look() {
  for (const [n, [, condition, resolve]] of [...waiting.entries()].reverse()) {
    if (condition()) {
      waiting.splice(n, 1);
      resolve();
    }
  }
}
function until(what, condition) {
  return new Promise((resolve) => {
    waiting.push([what, condition, resolve]);
    look();
  });
}

async function main() {
  const client = await mqtt.connectAsync(`mqtt://127.0.0.1:${port}`, { protocolVersion: version });
  client.on('message', (topic, payload, packet) => {
    if (topic.endsWith('/result') || topic === 'clients/answer') answers.push({ topic, payload: payload.toString(), packet });
    else seen.set(topic, payload.toString());
    look();
  });
  await client.subscribeAsync(['evcc/#', 'clients/answer'], { qos: 1 });
  await until('status', () => seen.get('evcc/status') === 'online' && seen.has(mode));

  const set = async (payload, properties) => {
    const before = answers.length;
    await client.publishAsync(`${mode}/set`, payload, { qos: 1, properties });
    await until(`the answer to ${payload}`, () => answers.length > before);
    return answers[before];
  };
  const taken = JSON.parse((await set('minpv')).payload);
  if (!taken.ok || taken.applied !== 'minpv') fail(`minpv: ${JSON.stringify(taken)}`);
  await until('the mode', () => seen.get(mode) === 'minpv');
  const refused = JSON.parse((await set('turbo')).payload);
  if (refused.ok || refused.code !== 'invalid_type' || refused.applied !== 'minpv') fail(JSON.stringify(refused));
  await until('the error', () => JSON.parse(seen.get('evcc/error') ?? '{}').payload === 'turbo');

  if (version === 5) {
    const correlationData = Buffer.from('here 7');
    const before = answers.length;
    await client.publishAsync(`${mode}/set`, 'pv', {
      qos: 1,
      properties: { responseTopic: 'clients/answer', correlationData },
    });
    await until('the answer where it is wanted', () => answers.slice(before).some((answer) => answer.topic === 'clients/answer'));
    const answer = answers.slice(before).find((answer) => answer.topic === 'clients/answer');
    if (!correlationData.equals(answer.packet.properties.correlationData)) fail('another correlation');
    if (JSON.parse(answer.payload).applied !== 'pv') fail(answer.payload);
  }

  const told = new Map();
  const socket = new WebSocket(`ws://127.0.0.1:${http}/ws`);
  socket.on('message', (data) => {
    for (const [key, value] of Object.entries(JSON.parse(data.toString()))) told.set(key, value);
    look();
  });
  await until('the first frame', () => told.get('siteTitle') === 'Zuhause' && told.get('startupCompleted') === true);
  await set('off');
  await until('the frame', () => told.get('loadpoints.0.mode') === 'off');
  await until('the tree', () => seen.get(mode) === 'off');
  socket.close();
  await client.endAsync();
  console.log(`ok: ${seen.size} topics, ${told.size} keys`);
}
main().then(() => process.exit(0), fail);
