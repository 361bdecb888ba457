// Buys and asks with a buyer's API key. The key lies in this tab's session storage, and goes to this node alone.
"use strict";

const KEY = "sahakar-api-key";
const RECEIPTS = "sahakar-receipts";
const RECEIPTS_MAX = 100;
const UNDECIDED = [408, 409, 429]; // refusals after which the same request may still be booked, or is already
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
  if (answer.ok) return answer.json();
  const json = await answer.json().catch(() => ({}));
  const error = new Error(`Refused: ${json.detail || json.error || answer.status}.`);
  error.isFinal = answer.status >= 400 && answer.status < 500 && !UNDECIDED.includes(answer.status);
  throw error;
}

// What moves money is sent under the same name until the node has answered or refused it: then it is booked once, whatever
// happens between. A time-out or a gateway's error says nothing about what was booked.
async function once(what, path, body) {
  const place = `sahakar-order:${what}`;
  const name = sessionStorage.getItem(place) || random();
  sessionStorage.setItem(place, name);
  try {
    const answer = await ask("POST", path, body, { "idempotency-key": name });
    sessionStorage.removeItem(place);
    return answer;
  } catch (error) {
    if (error.isFinal) {
      sessionStorage.removeItem(place);
      throw error;
    }
    const why = error.isFinal === undefined ? "The node cannot be reached." : error.message;
    throw new Error(`${why} Nothing is booked twice if you try again.`);
  }
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
    await showPrice();
    const left = balance.calls.find((calls) => calls.model === model);
    one("buy").hidden = false;
    one("left").textContent = `${balance.buyer || balance.key_id} has ${money(balance.balance, balance.currency)} and ${left ? left.left : 0} paid calls of ${model}.`;
  } else {
    await showAccount(balance);
  }
}

// What the calls to buy cost now. More than what is shown here is not paid: a price that follows demand may rise meanwhile.
let shown = null;

async function showPrice() {
  const plans = await allPlans();
  const plan = plans && plans.models.find((plan) => plan.model === model);
  shown = plan ? { price: plan.call.price, currency: plans.currency } : null;
  showTotal();
}

function showTotal() {
  const calls = Number(one("calls").value);
  const whole = Number.isInteger(calls) && calls > 0;
  one("total").textContent = shown && whole ? `${money(BigInt(shown.price) * BigInt(calls), shown.currency)} at ${money(shown.price, shown.currency)} each` : "";
}

function fact(name, value) {
  return element("div", [element("dt", name), element("dd", value)]);
}

// A table; the columns behind the first are numbers.
function table(label, heads, rows) {
  const head = heads.map((name, index) => element("th", name, { scope: "col", class: index ? "num" : "" }));
  const cells = (row) => row.map((cell, index) => index ? element("td", cell, { class: "num" }) : element("th", cell, { scope: "row" }));
  const body = rows.map((row) => element("tr", cells(row)));
  const made = element("table", [element("thead", element("tr", head)), element("tbody", body)]);
  return element("div", made, { class: "wide", role: "region", "aria-label": label, tabindex: "0" });
}

function modelLink(name) {
  return element("a", name, { href: `/models/${encodeURIComponent(name)}` });
}

// The plans of all models, page by page.
async function allPlans() {
  let all = null;
  for (let path = "/v1/plans?limit=200"; path !== null;) {
    const page = await askIfAllowed(path);
    if (page === null) return all;
    all = { ...page, models: all === null ? page.models : all.models.concat(page.models) };
    path = page.next === null ? null : `/v1/plans?limit=200&cursor=${encodeURIComponent(page.next)}`;
  }
  return all;
}

// What a key may not see is left out: the rest of the page is there all the same.
async function askIfAllowed(path) {
  try { return await ask("GET", path); } catch { return null; }
}

// What the key did, by day, model and key; newest first.
function usageTable(answer, currency) {
  if (answer === null || answer.usage.length === 0) return [];
  const sum = (row) => [row.calls_price, row.licences_price].reduce((all, amount) => all + BigInt(amount), 0n);
  const rows = answer.usage.toReversed().map((row) => [
    row.day.slice(0, 10), modelLink(row.model), String(row.calls), money(sum(row), currency, true),
    String(row.bought), money(row.bought_price, currency, true), String(row.refunded), element("code", row.key_id),
  ]);
  const total = answer.usage.reduce((all, row) => all + sum(row), 0n);
  const calls = answer.usage.reduce((all, row) => all + row.calls, 0);
  return [element("h2", "Usage of the last 31 days"), element("p", `${calls} ${calls === 1 ? "prediction" : "predictions"}; with licences ${money(total, currency)}.`),
    table("Usage", ["Day (UTC)", "Model", "Predictions", "Cost", "Calls bought", "Paid in advance", "Given back", "Key"], rows)];
}

// What was bought in advance and is left; single calls can be given back.
function purchases(balance) {
  const lots = balance.calls.flatMap((calls) => calls.lots.map((lot) => ({ model: calls.model, ...lot })));
  if (lots.length === 0) return [];
  const rows = lots.map((lot) => {
    const until = lot.ends_at_ms === null ? "do not end" : `until ${new Date(lot.ends_at_ms).toISOString().slice(0, 10)}`;
    const booked = element("a", String(lot.ledger_index), { href: `/ledger/${lot.ledger_index}` });
    return [modelLink(lot.model), lot.left, money(lot.price, balance.currency, true), lot.ends_at_ms === null ? refundButton(lot) : "—", until, booked];
  });
  return [element("h2", "Paid in advance"), table("Paid in advance", ["Model", "Left", "Each", "Give back", "They", "Entry"], rows)];
}

function refundButton(lot) {
  const button = element("button", `Give ${lot.left} back`, { type: "button", class: "refund" });
  // One name for as long as the page has this button: pressed twice, it is booked once.
  const name = random();
  button.addEventListener("click", async () => {
    complain(null);
    button.disabled = true;
    try {
      await ask("POST", "/v1/refunds", { model: lot.model, lot: lot.lot, calls: Number(lot.left) }, { "idempotency-key": name });
      await showBalance();
    } catch (error) {
      complain(error);
      button.disabled = false;
    }
  });
  return button;
}

// What can be bought, at the prices of this moment.
function planTable(plans) {
  if (plans === null || plans.models.length === 0) return [];
  const rows = plans.models.map(({ model, call, month, download }) => {
    const bounds = call.low === call.high ? money(call.price, plans.currency) : `${money(call.price, plans.currency)} (${money(call.low, plans.currency)} to ${money(call.high, plans.currency)})`;
    const thirty = month ? `${money(month.total, plans.currency)} for ${month.calls} calls` : "not sold";
    return [modelLink(model), bounds, thirty, licensed(download, plans.currency)];
  });
  return [element("h2", "Plans"), table("Plans", ["Model", "One call now", "Thirty days", "Licence of a version"], rows)];
}

// What a licence costs, and what its buyer agrees to.
function licensed(download, currency) {
  if (!download) return "not sold";
  const price = money(download.price, currency);
  if (!download.licence) return `${price}, no licence named`;
  const { name, link } = download.licence;
  return [`${price}, `, link ? element("a", name, { href: link, rel: "license noopener" }) : name];
}

const SCOPES = { admin: "act for the operator", buy: "buy and give back", download: "download what is licensed", infer: "ask models", keys: "make and revoke keys", usage: "see balance and usage" };

// What the key may do, until when, and how much it may spend.
function rights(key, currency) {
  if (key === null) return [];
  const { grant } = key;
  const may = (grant.scopes || []).map((scope) => SCOPES[scope] || scope).join(", ");
  const limit = (most, spent) => most === null || most === undefined ? "no limit" : `${money(spent, currency)} of ${money(most, currency)}`;
  return [fact("May", may), fact("Expires", grant.expires_at_ms ? new Date(grant.expires_at_ms).toISOString().slice(0, 16).replace("T", " ") : "never"),
    fact("Spent today", limit(grant.limit_day, key.spent_day)), fact("Spent in all", limit(grant.limit_total, key.spent_total))];
}

// A payment was taken back after a part of it was spent.
function owed(balance) {
  if (balance.owed === "0") return [];
  return [fact("Owed", element("strong", `${money(balance.owed, balance.currency)}: a payment was taken back. Nothing is sold before it is paid in.`))];
}

async function showAccount(balance) {
  const [key, usage, plans] = await Promise.all([askIfAllowed("/v1/keys/" + encodeURIComponent(balance.key_id)), askIfAllowed("/v1/usage"), allPlans()]);
  const calls = balance.calls.map((calls) => fact(`Paid calls of ${calls.model}`, calls.left));
  const none = fact("Paid calls", "none yet");
  const own = [fact("Key", element("code", balance.key_id)), fact("Balance", money(balance.balance, balance.currency)), ...owed(balance), ...(calls.length ? calls : [none])];
  one("account").replaceChildren(
    element("h2", balance.buyer || balance.key_id),
    element("dl", [...own, ...rights(key, balance.currency)], { class: "facts one" }),
    ...purchases(balance), ...usageTable(usage, balance.currency), ...planTable(plans),
  );
  one("account").hidden = false;
}

async function buy() {
  const calls = Number(one("calls").value);
  try {
    await once(`${model}:${calls}`, "/v1/purchases", { model, calls, price_max: shown ? shown.price : null });
  } catch (error) {
    await showPrice();
    throw error;
  }
  await showBalance();
}

function output(answer, name) {
  return answer.outputs.find((found) => found.name === name).data;
}

// What was paid is shown before anything else is asked for.
async function predict() {
  const fields = Array.from(one("ask").querySelectorAll("input"));
  const row = fields.map((field) => Number(field.value));
  const inputs = [{ name: "input", shape: [1, row.length], datatype: "FP32", data: row }];
  const path = encodeURIComponent(model);
  const { signature } = await ask("GET", `/v1/models/${path}`);
  const answer = await once(`${model}?${row}`, `/v2/models/${path}/infer`, { inputs });
  keepReceipt({ id: answer.parameters.receipt, model, label: output(answer, "label")[0] });
  showAnswer(answer, signature.classes);
  showReceipt(await ask("GET", `/v1/receipts/${answer.parameters.receipt}`));
  await showBalance();
}

function showAnswer(answer, classes) {
  const odds = output(answer, "probabilities").flatMap((odd, index) => {
    const percent = `${(100 * odd).toFixed(1)}\u202f%`;
    return [element("dt", classes[index]), element("dd", element("progress", percent, { max: 1, value: odd, "aria-hidden": "true" })), element("dd", percent)];
  });
  one("answer").replaceChildren(element("h3", output(answer, "label")[0]), element("dl", odds, { class: "odds" }));
  one("answer").hidden = false;
  one("answer").focus();
}

function showReceipt(receipt) {
  const lines = receipt.lines.map((line) => fact(line.label, money(line.amount, receipt.currency, true)));
  const lineage = `${receipt.model.name} version ${receipt.model.version}, from ${receipt.model.contributors} contributors in ${receipt.model.rounds} rounds.`;
  one("answer").append(
    element("h4", "Receipt"),
    element("p", [`${money(receipt.price, receipt.currency)} for this prediction of ${lineage} `, element("a", `Entry ${receipt.ledger_index} proves it.`, { href: `/ledger/${receipt.ledger_index}` })]),
    element("h4", "Who earns what"),
    element("dl", lines, { class: "facts one" }),
  );
}

function receipts() {
  try { return JSON.parse(sessionStorage.getItem(RECEIPTS)) || []; } catch { return []; }
}

function keepReceipt(receipt) {
  sessionStorage.setItem(RECEIPTS, JSON.stringify([receipt, ...receipts().filter(({ id }) => id !== receipt.id)].slice(0, RECEIPTS_MAX)));
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
  one("calls").addEventListener("input", showTotal);
  onSubmit(one("ask"), predict);
}
one("forget").addEventListener("click", () => {
  sessionStorage.removeItem(KEY);
  sessionStorage.removeItem(RECEIPTS);
  location.reload();
});
showReceipts();
if (sessionStorage.getItem(KEY)) showBalance().catch(complain);
