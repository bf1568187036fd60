"""Chat completions with Python's standard library alone, in one piece and streamed."""
import json
import sys
import urllib.error
import urllib.request

base, key, model = sys.argv[1:4]


def ask(body):
    request = urllib.request.Request(
        base + "/v1/chat/completions",
        data=json.dumps(body).encode(),
        headers={"authorization": "Bearer " + key, "content-type": "application/json"},
    )
    return urllib.request.urlopen(request, timeout=20)


messages = [{"role": "user", "content": "Hi"}]
with ask({"model": model, "messages": messages}) as answer:
    text = json.load(answer)["choices"][0]["message"]["content"]
streamed, done = "", False
with ask({"model": model, "messages": messages, "stream": True}) as answer:
    for line in answer:
        line = line.decode().strip()
        if line == "data: [DONE]":
            done = True
        elif line.startswith("data: "):
            for choice in json.loads(line[6:])["choices"]:
                streamed += choice["delta"].get("content") or ""
try:
    ask({"model": "nothing", "messages": messages})
    error = None
except urllib.error.HTTPError as refused:
    error = [refused.code, json.load(refused)["error"]["code"]]
print(json.dumps({"text": text, "streamed": streamed, "done": done, "error": error}))
