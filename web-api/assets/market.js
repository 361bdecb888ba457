// Buys and asks with a buyer's API key. The key lies in this tab's session storage, and goes to this node alone.
"use strict";

const KEY = "sahakar-api-key";
const RECEIPTS = "sahakar-receipts";
const RECEIPTS_MAX = 100;
const UNITS = 10000; // amounts are in 10^-4 of the currency's unit
const one = (id) => document.getElementById(id);
const market = one("market");
const model = market.dataset.model;

function element(name, content, attributes = {}) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...[content].flat().filter((part) => part !== null && part !== undefined));
  return made;
}

// Amounts are decimal texts: exact beyond 2^53.
function money(amount, currency, aligned = false) {
  const units = BigInt(amount) / BigInt(UNITS);
  const all = String(BigInt(amount) % BigInt(UNITS)).padStart(4, "0");
  const places = aligned ? all : all.replace(/0{1,2}$/, "");
  return `${units}.${places}\u00a0${currency}`;
}

function complain(error) {
  one("problem").hidden = error === null;
  one("problem").textContent = error === null ? "" : error.message;
}

async function ask(method, path, body, headers = {}) {
  const key = sessionStorage.getItem(KEY);
  if (!key) throw new Error("Type in your API key first.");
  const request = { method, headers: { authorization: `Bearer ${key}`, ...headers }, cache: "no-store", credentials: "omit" };
  if (body !== undefined) {
    request.headers["content-type"] = "application/json";
    request.body = JSON.stringify(body);
  }
  const answer = await fetch(path, request);
  const json = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(`Refused: ${json.detail || json.error || answer.status}.`);
  return json;
}

// One thing at a time: a button that waits cannot be pressed again.
function onSubmit(form, act) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    complain(null);
    const button = form.querySelector("button[type=submit]");
    button.disabled = true;
    try { await act(); } catch (error) { complain(error); } finally { button.disabled = false; }
  });
}

function random() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function showBalance() {
  const balance = await ask("GET", "/v1/balance");
  one("forget").hidden = false;
  one("key").value = "";
  one("key").placeholder = `${balance.key_id} is in use`;
  one("key").required = false;
  if (model) {
    const left = balance.calls.find((calls) => calls.model === model);
    one("buy").hidden = false;
    one("left").textContent = `${balance.buyer || balance.key_id} has ${money(balance.balance, balance.currency)} and ${left ? left.left : 0} paid calls of ${model}.`;
  } else {
    await showAccount(balance);
  }
}

function fact(name, value) {
  return element("div", [element("dt", name), element("dd", value)]);
}

// What was bought and used, purchase by purchase: each has an account of its own in the books.
async function usage(balance) {
  const prefix = `money/${balance.currency}/prepaid/${balance.key_id}/`;
  const { accounts } = await ask("GET", `/v1/ledger/accounts?limit=200&prefix=${encodeURIComponent(prefix)}`);
  if (accounts.length === 0) return [];
  const cells = (account) => {
    const model = account.id.slice(prefix.length).split("/")[0];
    const amounts = [account.credits_posted, account.debits_posted, account.available];
    return [element("th", element("a", model, { href: `/models/${encodeURIComponent(model)}` }), { scope: "row" }),
      ...amounts.map((amount) => element("td", money(amount, balance.currency, true), { class: "num" }))];
  };
  const head = ["Purchase", "Paid", "Used", "Left"].map((name, index) => element("th", name, { scope: "col", class: index ? "num" : "" }));
  const table = element("table", [element("thead", element("tr", head)), element("tbody", accounts.map((account) => element("tr", cells(account))))]);
  return [element("h2", "Usage"), element("div", table, { class: "wide", role: "region", "aria-label": "Usage", tabindex: "0" })];
}

async function showAccount(balance) {
  const calls = balance.calls.map((calls) => fact(`Paid calls of ${calls.model}`, calls.left));
  const none = fact("Paid calls", "none yet");
  one("account").replaceChildren(
    element("h2", balance.buyer || balance.key_id),
    element("dl", [fact("Key", element("code", balance.key_id)), fact("Balance", money(balance.balance, balance.currency)), ...(calls.length ? calls : [none])], { class: "facts one" }),
    ...await usage(balance),
  );
  one("account").hidden = false;
}

// The same order is sent under the same name until the node has answered: then it is booked once, whatever happens between.
async function buy() {
  const calls = Number(one("calls").value);
  const place = `sahakar-order:${model}:${calls}`;
  const order = sessionStorage.getItem(place) || random();
  sessionStorage.setItem(place, order);
  try {
    await ask("POST", "/v1/purchases", { model, calls }, { "idempotency-key": order });
  } catch (error) {
    if (error instanceof TypeError) throw new Error("The node cannot be reached. Nothing is booked twice if you try again.");
    sessionStorage.removeItem(place);
    throw error;
  }
  sessionStorage.removeItem(place);
  await showBalance();
}

function output(answer, name) {
  return answer.outputs.find((found) => found.name === name).data;
}

async function predict() {
  const fields = Array.from(one("ask").querySelectorAll("input"));
  const row = fields.map((field) => Number(field.value));
  const inputs = [{ name: "input", shape: [1, row.length], datatype: "FP32", data: row }];
  const answer = await ask("POST", `/v2/models/${encodeURIComponent(model)}/infer`, { inputs });
  keepReceipt({ id: answer.parameters.receipt, model, label: output(answer, "label")[0] });
  const { signature } = await ask("GET", `/v1/models/${encodeURIComponent(model)}`);
  const receipt = await ask("GET", `/v1/receipts/${answer.parameters.receipt}`);
  showAnswer(answer, signature.classes, receipt);
  await showBalance();
}

function showAnswer(answer, classes, receipt) {
  const odds = output(answer, "probabilities").flatMap((odd, index) => {
    const percent = `${(100 * odd).toFixed(1)}\u202f%`;
    return [element("dt", classes[index]), element("dd", element("progress", percent, { max: 1, value: odd, "aria-hidden": "true" })), element("dd", percent)];
  });
  const lines = receipt.lines.map((line) => fact(line.label, money(line.amount, receipt.currency, true)));
  const lineage = `${receipt.model.name} version ${receipt.model.version}, from ${receipt.model.contributors} contributors in ${receipt.model.rounds} rounds.`;
  one("answer").replaceChildren(
    element("h3", output(answer, "label")[0]),
    element("dl", odds, { class: "odds" }),
    element("h4", "Receipt"),
    element("p", [`${money(receipt.price, receipt.currency)} for this prediction of ${lineage} `, element("a", `Entry ${receipt.ledger_index} proves it.`, { href: `/ledger/${receipt.ledger_index}` })]),
    element("h4", "Who earns what"),
    element("dl", lines, { class: "facts one" }),
  );
  one("answer").hidden = false;
  one("answer").focus();
}

function receipts() {
  try { return JSON.parse(sessionStorage.getItem(RECEIPTS)) || []; } catch { return []; }
}

function keepReceipt(receipt) {
  sessionStorage.setItem(RECEIPTS, JSON.stringify([receipt, ...receipts()].slice(0, RECEIPTS_MAX)));
}

async function showReceipts() {
  const kept = receipts();
  if (!one("receipts") || kept.length === 0) return;
  one("receipts").hidden = false;
  one("receipt-list").replaceChildren(...kept.map(({ id, model, label }) => element("li", [
    element("span", `${model}: ${label}`),
    element("a", "receipt", { href: `/v1/receipts/${encodeURIComponent(id)}` }),
  ])));
}

onSubmit(one("key-form"), async () => {
  const key = one("key").value.trim();
  if (key) sessionStorage.setItem(KEY, key);
  try { await showBalance(); } catch (error) {
    sessionStorage.removeItem(KEY);
    throw error;
  }
});
if (model) {
  onSubmit(one("buy"), buy);
  onSubmit(one("ask"), predict);
}
one("forget").addEventListener("click", () => {
  sessionStorage.removeItem(KEY);
  sessionStorage.removeItem(RECEIPTS);
  location.reload();
});
showReceipts();
if (sessionStorage.getItem(KEY)) showBalance().catch(complain);
