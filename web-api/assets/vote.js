// Writes the command line of a vote. Nothing is sent, and no key is read: the command signs where the key is.
"use strict";

const form = document.getElementById("vote");
const one = (id) => document.getElementById(id);

// A word for a POSIX shell.
function quoted(word) {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

// A file's name that begins with a hyphen would be taken for an option.
function file(name) {
  return quoted(name.startsWith("-") ? `./${name}` : name);
}

function command() {
  const words = ["sahakar vote", `--url ${quoted(location.origin)}`, `--proposal ${form.dataset.proposal}`];
  words.push(`--choice ${form.elements.choice.value}`, `--key ${file(one("key-file").value || "my.key")}`);
  if (one("override").checked) words.push("--override");
  if (one("reason").value) words.push(`--reason=${quoted(one("reason").value)}`);
  if (one("seal-file")) words.push(`--seal ${file(one("seal-file").value || "vote.secret")}`);
  words.push("--receipt my-vote.json");
  return words.join(" \\\n  ");
}

function write() {
  one("command").textContent = command();
  one("copied").textContent = "";
}

async function copy() {
  await navigator.clipboard.writeText(one("command").textContent);
  one("copied").textContent = "Copied.";
}

if (form) {
  form.addEventListener("input", write);
  form.addEventListener("submit", (event) => event.preventDefault());
  // Browsers give pages the clipboard only over HTTPS or on localhost.
  if (window.isSecureContext && navigator.clipboard) {
    one("copy").hidden = false;
    one("copy").addEventListener("click", copy);
  }
  write();
}
