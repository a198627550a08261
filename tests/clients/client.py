"""A user of PyPI's paho-mqtt and websockets: sets a mode, reads the answer, watches tree and WebSocket.

python3 client.py <MQTT port> <HTTP port> <MQTT version 4 or 5>
"""

import json
import queue
import sys
import time

import paho.mqtt.client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from websockets.sync.client import connect

PORT, HTTP, VERSION = (int(argument) for argument in sys.argv[1:4])
MODE = "evcc/loadpoints/1/mode"
END = time.monotonic() + 15

news: "queue.Queue" = queue.Queue()
seen: dict = {}
answers: list = []


def on_message(_client, _data, message):
    news.put(message)


def until(what, condition):
    while not condition():
        left = END - time.monotonic()
        try:
            message = news.get(timeout=max(left, 0.001))
        except queue.Empty:
            sys.exit(f"waited too long for {what}")
        if message.topic.endswith("/result") or message.topic == "clients/answer":
            answers.append(message)
        else:
            seen[message.topic] = message.payload.decode()


client = paho.Client(
    paho.CallbackAPIVersion.VERSION2,
    protocol=paho.MQTTv5 if VERSION == 5 else paho.MQTTv311,
)
client.on_message = on_message
client.connect("127.0.0.1", PORT)
client.loop_start()
client.subscribe([("evcc/#", 1), ("clients/answer", 1)])
until("the status", lambda: seen.get("evcc/status") == "online" and MODE in seen)


def write(payload, properties=None):
    before = len(answers)
    client.publish(f"{MODE}/set", payload, qos=1, properties=properties)
    until(f"the answer to {payload}", lambda: len(answers) > before)
    return json.loads(answers[before].payload)


taken = write("minpv")
assert taken["ok"] and taken["applied"] == "minpv", taken
until("the mode", lambda: seen.get(MODE) == "minpv")
refused = write("turbo")
assert not refused["ok"] and refused["code"] == "invalid_type", refused
until("the error", lambda: json.loads(seen.get("evcc/error", "{}")).get("payload") == "turbo")

if VERSION == 5:
    properties = Properties(PacketTypes.PUBLISH)
    properties.ResponseTopic = "clients/answer"
    properties.CorrelationData = b"here 7"
    start = len(answers)
    client.publish(f"{MODE}/set", "pv", qos=1, properties=properties)
    until("the answer where it is wanted", lambda: any(a.topic == "clients/answer" for a in answers[start:]))
    answer = next(a for a in answers[start:] if a.topic == "clients/answer")
    assert answer.properties.CorrelationData == b"here 7", answer.properties
    assert json.loads(answer.payload)["applied"] == "pv", answer.payload

told: dict = {}
with connect(f"ws://127.0.0.1:{HTTP}/ws") as socket:

    def frames(what, condition):
        while not condition():
            left = END - time.monotonic()
            if left <= 0:
                sys.exit(f"waited too long for {what}")
            told.update(json.loads(socket.recv(timeout=left)))

    frames("the first frame", lambda: told.get("siteTitle") == "Zuhause")
    assert told["startupCompleted"] is True
    assert write("off")["ok"]
    frames("the frame", lambda: told.get("loadpoints.0.mode") == "off")
until("the tree", lambda: seen.get(MODE) == "off")
client.disconnect()
client.loop_stop()
print(f"ok: {len(seen)} topics, {len(told)} keys")
