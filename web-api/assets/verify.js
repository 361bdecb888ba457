// Checks that an entry is in the log: RFC 9162 section 2.1.3.2 (inclusion proof), C2SP tlog-checkpoint and signed-note
// (what the log's key signed). Hashes and signatures are the browser's own, WebCrypto.
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

// The key of the log: name+hash+base64(0x01, 32 bytes of Ed25519).
async function parseVkey(vkey) {
  const [name, id, ...rest] = vkey.split("+");
  const data = fromBase64(rest.join("+"));
  if (data.length !== 33 || data[0] !== 1) throw new Error("the log's key is not Ed25519");
  const expected = (await sha256(bytes(`${name}\n`), data)).slice(0, 4);
  if (hex(expected) !== id) throw new Error("the log's key and its id do not belong together");
  return { name, id: expected, key: data.slice(1) };
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

// True, false, or null where the browser has no Ed25519.
async function checkSignature(checkpoint, vkey) {
  const prefix = `— ${vkey.name} `;
  const lines = checkpoint.signatures.filter((line) => line.startsWith(prefix));
  const own = lines.map((line) => fromBase64(line.slice(prefix.length))).filter((data) => hex(data.slice(0, 4)) === hex(vkey.id));
  if (own.length === 0) return false;
  let key;
  try {
    key = await crypto.subtle.importKey("raw", vkey.key, { name: "Ed25519" }, false, ["verify"]);
  } catch (error) {
    if (error.name === "NotSupportedError") return null;
    throw error;
  }
  const checks = own.map((data) => crypto.subtle.verify({ name: "Ed25519" }, key, data.slice(4), bytes(checkpoint.signed)));
  return (await Promise.all(checks)).every(Boolean);
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
  const others = checkpoint.signatures.length - 1;
  if (others > 0) step("open", `${others} more signatures, of witnesses, were not checked here.`);
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
