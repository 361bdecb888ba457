// Checks that an entry is in the log: RFC 9162 sections 2.1.3.2 (inclusion) and 2.1.4.2 (that the log continues the one of last
// time), C2SP tlog-checkpoint, signed-note and tlog-cosignature (what the log's key and witnesses signed). Hashes and signatures are the browser's own, WebCrypto.
"use strict";

const button = document.getElementById("verify");
const leafField = document.getElementById("leaf");
const verdict = document.getElementById("verdict");
const steps = document.getElementById("steps");
const bytes = (text) => new TextEncoder().encode(text);
const hex = (data) => Array.from(data, (byte) => byte.toString(16).padStart(2, "0")).join("");

function fromHex(text) {
  if (!/^([0-9a-f]{2})*$/.test(text)) throw new Error("a hash is not hexadecimal");
  return Uint8Array.from(text.match(/../g) || [], (pair) => parseInt(pair, 16));
}

function fromBase64(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

function joined(...parts) {
  const all = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) { all.set(part, at); at += part.length; }
  return all;
}

async function sha256(...parts) {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", joined(...parts)));
}

const leafHash = (leaf) => sha256(Uint8Array.of(0), leaf);
const nodeHash = (left, right) => sha256(Uint8Array.of(1), left, right);

// The root that the leaf `hash` at `index` of `size` leaves leads to. Numbers are exact below 2^53.
async function rootFromPath(index, size, hash, path) {
  if (!Number.isSafeInteger(index) || !Number.isSafeInteger(size) || index >= size) throw new Error("the checkpoint does not reach this entry");
  let at = index, last = size - 1, root = hash;
  for (const sibling of path) {
    if (sibling.length !== 32) throw new Error("a hash of the proof is not 32 bytes long");
    if (last === 0) throw new Error("the proof is too long");
    if (at % 2 === 1 || at === last) {
      root = await nodeHash(sibling, root);
      while (at % 2 === 0 && at !== 0) { at = Math.floor(at / 2); last = Math.floor(last / 2); }
    } else {
      root = await nodeHash(root, sibling);
    }
    at = Math.floor(at / 2);
    last = Math.floor(last / 2);
  }
  if (last !== 0) throw new Error("the proof is too short");
  return root;
}

// A checkpoint's text: what is signed, and the lines with signatures.
function parseCheckpoint(note) {
  const end = note.indexOf("\n\n");
  const lines = note.slice(0, end).split("\n");
  if (end < 0 || lines.length < 3 || !/^(0|[1-9][0-9]*)$/.test(lines[1])) throw new Error("the checkpoint cannot be read");
  return {
    signed: note.slice(0, end + 1), origin: lines[0], size: Number(lines[1]), root: fromBase64(lines[2]),
    signatures: note.slice(end + 2).split("\n").filter((line) => line.startsWith("— ")),
  };
}

const LOG = 1, WITNESS = 4;

// A key: name+hash+base64(kind, 32 bytes of Ed25519); 1 signs checkpoints, 4 cosigns them (C2SP signed-note).
async function parseVkey(vkey, kind = LOG) {
  const whose = kind === LOG ? "the log's key" : "a witness's key";
  const [name, id, ...rest] = vkey.split("+");
  const data = fromBase64(rest.join("+"));
  if (data.length !== 33 || data[0] !== kind) throw new Error(`${whose} is not Ed25519`);
  const expected = (await sha256(bytes(`${name}\n`), data)).slice(0, 4);
  if (hex(expected) !== id) throw new Error(`${whose} and its id do not belong together`);
  return { name, id: expected, key: data.slice(1) };
}

// Whether the log of `size` entries with `root` begins with the `old` entries under `oldRoot`: RFC 9162 section 2.1.4.2.
async function continues(old, oldRoot, size, root, path) {
  if (path.some((hash) => hash.length !== 32)) return false;
  if (old === size) return path.length === 0 && hex(oldRoot) === hex(root);
  let power = old;
  while (power % 2 === 0) power /= 2;
  const hashes = power === 1 ? [oldRoot, ...path] : path;
  if (hashes.length === 0) return false;
  let at = old - 1, last = size - 1;
  while (at % 2 === 1) { at = Math.floor(at / 2); last = Math.floor(last / 2); }
  let before = hashes[0], after = hashes[0];
  for (const hash of hashes.slice(1)) {
    if (last === 0) return false;
    if (at % 2 === 1 || at === last) {
      before = await nodeHash(hash, before);
      after = await nodeHash(hash, after);
      while (at % 2 === 0 && at !== 0) { at = Math.floor(at / 2); last = Math.floor(last / 2); }
    } else {
      after = await nodeHash(after, hash);
    }
    at = Math.floor(at / 2);
    last = Math.floor(last / 2);
  }
  return last === 0 && hex(before) === hex(oldRoot) && hex(after) === hex(root);
}

function step(kind, text, detail) {
  const item = document.createElement("li");
  item.className = kind;
  item.append(text);
  if (detail) {
    const small = document.createElement("small");
    small.className = "hash";
    small.textContent = detail;
    item.append(small);
  }
  steps.append(item);
}

function conclude(kind, text) {
  verdict.className = kind;
  verdict.textContent = text;
}

// The data of the signature lines of a key, its id cut off.
function signaturesOf(checkpoint, vkey) {
  const prefix = `— ${vkey.name} `;
  const lines = checkpoint.signatures.filter((line) => line.startsWith(prefix));
  const own = lines.map((line) => fromBase64(line.slice(prefix.length))).filter((data) => hex(data.slice(0, 4)) === hex(vkey.id));
  return own.map((data) => data.slice(4));
}

// Null where the browser has no Ed25519.
async function importKey(vkey) {
  try {
    return await crypto.subtle.importKey("raw", vkey.key, { name: "Ed25519" }, false, ["verify"]);
  } catch (error) {
    if (error.name === "NotSupportedError") return null;
    throw error;
  }
}

// True, false, or null where the browser has no Ed25519.
async function checkSignature(checkpoint, vkey) {
  const own = signaturesOf(checkpoint, vkey);
  if (own.length === 0) return false;
  const key = await importKey(vkey);
  if (key === null) return null;
  const checks = own.map((data) => crypto.subtle.verify({ name: "Ed25519" }, key, data, bytes(checkpoint.signed)));
  return (await Promise.all(checks)).every(Boolean);
}

// When a witness saw the checkpoint, in seconds since 1970; null if it did not cosign it (C2SP tlog-cosignature).
async function cosignedAt(checkpoint, vkey) {
  const key = await importKey(vkey);
  if (key === null) return null;
  for (const data of signaturesOf(checkpoint, vkey)) {
    if (data.length !== 72) continue;
    const time = data.slice(0, 8).reduce((number, byte) => number * 256 + byte, 0);
    const signed = bytes(`cosignature/v1\ntime ${time}\n${checkpoint.signed}`);
    if (await crypto.subtle.verify({ name: "Ed25519" }, key, data.slice(8), signed)) return time;
  }
  return null;
}

// Who the witnesses are, the ledger itself says, by vote: the page's node cannot add one unseen.
async function checkWitnesses(checkpoint) {
  const answer = await fetch("/v1/governance", { cache: "no-store" });
  if (!answer.ok) return step("open", "Who the witnesses are could not be learnt.");
  const { witnesses, witness_quorum: quorum } = await answer.json();
  let held = 0;
  for (const witness of witnesses) {
    const time = await cosignedAt(checkpoint, await parseVkey(witness.vkey, WITNESS));
    if (time === null) continue;
    held += 1;
    step("good", `${witness.name} cosigned this checkpoint on ${new Date(1000 * time).toISOString().slice(0, 16).replace("T", " ")} UTC.`, witness.vkey);
  }
  if (witnesses.length === 0) {
    const others = checkpoint.signatures.length - 1;
    return step("open", others > 0 ? `The members voted for no witnesses: ${others} more signatures say nothing here.` : "The members voted for no witnesses: nobody else has seen this checkpoint, as far as the page can tell.");
  }
  if (held < quorum) step("open", `${held} of ${witnesses.length} witnesses cosigned it; the members want ${quorum}.`);
}

// The checkpoint of last time and this one are of one log that was only appended to, or somebody rewrote it.
async function checkContinues(origin, checkpoint) {
  const place = `sahakar-checkpoint:${origin}`;
  const now = { size: checkpoint.size, root: hex(checkpoint.root) };
  let before = null;
  try { before = JSON.parse(localStorage.getItem(place)); } catch { before = null; }
  if (before !== null) {
    const [early, late] = before.size <= now.size ? [before, now] : [now, before];
    const answer = await fetch(`/v1/ledger/consistency?old=${early.size}&new=${late.size}`, { cache: "no-store" });
    const { path } = answer.ok ? await answer.json() : { path: null };
    const holds = path !== null && await continues(early.size, fromHex(early.root), late.size, fromHex(late.root), path.map(fromHex));
    if (!holds) {
      step("bad", `This log does not continue the one of ${before.size} entries that this browser saw before.`, before.root);
      throw new Error("the log was rewritten");
    }
    step("good", `The log continues the one of ${before.size} entries that this browser saw before.`, before.root);
    if (before.size >= now.size) return;
  }
  try { localStorage.setItem(place, JSON.stringify(now)); } catch { step("open", "This browser keeps nothing: next time it cannot tell whether the log was rewritten."); }
}

// A log that shows another key than last time is another log. What was seen first is kept in this browser.
function checkKeySeen(name, vkey) {
  const place = `sahakar-log-key:${name}`;
  let before = null;
  try {
    before = localStorage.getItem(place);
    if (before === null) localStorage.setItem(place, vkey);
  } catch { return step("open", "Whether this is the key of last time was not checked: this browser keeps nothing."); }
  if (before === null) return step("open", "This browser sees the log's key for the first time, and remembers it.", vkey);
  if (before !== vkey) {
    step("bad", "The log's key is not the one that this browser saw before.", before);
    throw new Error("the log changed its key");
  }
  step("good", "The log's key is the one that this browser saw before.");
}

async function verify() {
  const index = Number(button.dataset.index);
  const answer = await fetch(`/v1/ledger/entries/${index}`, { cache: "no-store" });
  if (!answer.ok) throw new Error(`the node gave no proof (${answer.status})`);
  const { proof } = await answer.json();
  // A text field turns line ends into \n; leaves have none.
  const hash = await leafHash(bytes(leafField.value));
  step("good", "The entry's bytes were hashed (SHA-256).", hex(hash));
  const checkpoint = parseCheckpoint(proof.checkpoint);
  const root = await rootFromPath(index, checkpoint.size, hash, proof.path.map(fromHex));
  if (hex(root) !== hex(checkpoint.root)) {
    step("bad", `The ${proof.path.length} hashes of the proof lead to another root than the checkpoint's.`, `${hex(root)} is not ${hex(checkpoint.root)}`);
    throw new Error("these bytes are not what the log has there");
  }
  step("good", `${proof.path.length} hashes lead to the root over ${checkpoint.size} entries.`, hex(root));
  const vkey = await parseVkey(button.dataset.vkey);
  if (vkey.name !== checkpoint.origin) throw new Error("the checkpoint is another log's");
  const signature = await checkSignature(checkpoint, vkey);
  if (signature === false) {
    step("bad", "The log's key did not sign this checkpoint.");
    throw new Error("the checkpoint's signature does not hold");
  }
  if (signature === null) step("open", "The checkpoint's signature was not checked: this browser has no Ed25519.");
  else step("good", "The log's key signed this checkpoint (Ed25519).", button.dataset.vkey);
  checkKeySeen(vkey.name, button.dataset.vkey);
  if (signature !== null) await checkWitnesses(checkpoint);
  await checkContinues(vkey.name, checkpoint);
  return signature;
}

button.addEventListener("click", async () => {
  steps.replaceChildren();
  conclude("", "");
  if (!window.isSecureContext || !crypto.subtle) {
    return conclude("bad", "Not checked: browsers give pages their cryptography only over HTTPS or on localhost.");
  }
  button.disabled = true;
  try {
    const signature = await verify();
    conclude("good", signature === null ? "In the log, if its signature holds, which this browser cannot check." : "Verified: this entry is in the log.");
  } catch (error) {
    conclude("bad", `Refused: ${error.message}.`);
  } finally {
    button.disabled = false;
  }
});
