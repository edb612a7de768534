#!/usr/bin/env python3
"""Writes synthetic.jsonl: twelve made-up conversations with one head, for the tests of
`warmpath simulate`. Deterministic; run it again after a change and compress with zstd -19."""
import json
import random

random.seed(7)
HEAD, TOOLS = 240, 160  # blocks of 64 tokens
print(json.dumps({"format": "prompt-trace", "version": 1, "block_tokens": 64,
                  "source": "tests/traces/synthetic.py", "conversations": 12}))
for c in range(1, 13):
    print(json.dumps({"conversation": c, "group": 1, "tool_tokens": TOOLS * 64,
                      "system_tokens": (HEAD - TOOLS) * 64}))
    fresh = c << 24
    blocks, t, previous = HEAD, 0.0, 0
    for turn in range(24):
        new = random.randint(5, 60)
        add = [[1, HEAD], [fresh, new]] if turn == 0 else [[fresh, new]]
        keep = 0 if turn == 0 else blocks
        blocks += new
        fresh += new
        user = turn % 6 == 5
        print(json.dumps({"c": c, "a": 0, "t": round(t, 1), "m": "model", "in": blocks * 64 + 20,
                          "out": 200, "api": 6.0, "ttft": 2.0,
                          "stop": "end_turn" if user else "tool_use",
                          "kinds": ["text"] if turn % 6 == 0 else ["tool_result"],
                          "keep": keep, "add": add}))
        # now and then the user thinks for longer than five minutes
        t += random.uniform(330, 1500) if user and c % 2 else random.uniform(8, 40)
