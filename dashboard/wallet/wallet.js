// Relays between the page's server and the wallet in this browser (EIP-1193, found by EIP-6963 or as window.ethereum).
//
// data.request: {id, method, params, poll_s, timeout_s, remember} or null; answered once as state "answer".
// data.forget: hash of a purchase that the hub has logged. data.chain: under which purchases are remembered.
// state "wallet": {account, chainId, name}; state "pending": hash of a remembered purchase.

const CHOSEN = "microgrid.wallet";
// Survives a change of page: a request that is under way must never be sent to the wallet twice.
const shared = (window.microgridWallet ??= { found: new Map(), answers: new Map(), provider: null, name: null });

export default function (component) {
  const { data, parentElement, setStateValue } = component;
  const view = { data, setStateValue, root: parentElement.querySelector(".wallet") };
  shared.view = view;
  discover();
  draw(view);
  reconnect(view);
  remembered(view);
  if (data.request) relay(view, data.request);
}

function discover() {
  if (shared.listening) return;
  shared.listening = true;
  window.addEventListener("eip6963:announceProvider", ({ detail }) => {
    shared.found.set(detail.info.rdns, { name: detail.info.name, provider: detail.provider });
    draw(shared.view);
    reconnect(shared.view);
  });
  window.dispatchEvent(new Event("eip6963:requestProvider"));
}

function wallets() {
  if (shared.found.size) return [...shared.found].map(([id, wallet]) => ({ id, ...wallet }));
  return window.ethereum ? [{ id: "injected", name: "browser wallet", provider: window.ethereum }] : [];
}

function draw({ root, data }) {
  const buttons = shared.account ? [] : wallets().map(button);
  const none = !shared.account && !buttons.length ? [text(data.no_wallet)] : [];
  root.replaceChildren(...buttons, ...none);
}

function button(wallet) {
  const element = document.createElement("button");
  element.textContent = `Connect ${wallet.name}`;
  element.onclick = () => connect(wallet, "eth_requestAccounts").catch((error) => report({ problem: String(error.message) }));
  return element;
}

function text(words) {
  const element = document.createElement("p");
  element.textContent = words;
  return element;
}

// A page that was connected before asks silently: eth_accounts never opens a window.
async function reconnect(view) {
  if (shared.provider) return tell(view);
  const chosen = wallets().find((wallet) => wallet.id === localStorage.getItem(CHOSEN));
  if (chosen) await connect(chosen, "eth_accounts").catch(() => {});
}

async function connect(wallet, method) {
  const [account] = await wallet.provider.request({ method });
  if (!account) return;
  if (shared.provider !== wallet.provider) watch(wallet.provider);
  Object.assign(shared, { provider: wallet.provider, name: wallet.name, account });
  shared.chainId = await wallet.provider.request({ method: "eth_chainId" });
  localStorage.setItem(CHOSEN, wallet.id);
  tell(shared.view);
}

function watch(provider) {
  provider.on?.("accountsChanged", ([account]) => {
    shared.account = account ?? null;
    if (!account) localStorage.removeItem(CHOSEN);
    tell(shared.view);
  });
  provider.on?.("chainChanged", (chainId) => {
    shared.chainId = chainId;
    tell(shared.view);
  });
}

function tell(view) {
  draw(view);
  report({ account: shared.account ?? null, chainId: shared.chainId ?? null, name: shared.name });
}

function report(wallet) {
  const { setStateValue, data } = shared.view;
  const same = Object.entries(wallet).every(([key, value]) => (data.wallet?.[key] ?? null) === value);
  if (!same || !data.wallet) setStateValue("wallet", wallet);
}

function remembered({ data, setStateValue }) {
  const key = `microgrid.purchase.${data.chain}`;
  if (data.forget && localStorage.getItem(key) === data.forget) localStorage.removeItem(key);
  const hash = localStorage.getItem(key);
  if (hash && hash !== data.pending && shared.provider) setStateValue("pending", hash);
}

function relay(view, request) {
  if (!shared.provider) return;
  if (!shared.answers.has(request.id)) shared.answers.set(request.id, ask(view, request));
  shared.answers.get(request.id).then((answer) => shared.view.setStateValue("answer", answer));
}

async function ask(view, request) {
  try {
    const result = await poll(request);
    if (request.remember) localStorage.setItem(`microgrid.purchase.${view.data.chain}`, result);
    if (request.method === "wallet_switchEthereumChain") shared.chainId = request.params[0].chainId;
    return { id: request.id, result };
  } catch (error) {
    const data = JSON.parse(JSON.stringify(error?.data ?? error?.cause ?? null));
    return { id: request.id, error: { code: error?.code ?? null, message: String(error?.message ?? error), data } };
  }
}

async function poll({ method, params, poll_s, timeout_s }) {
  const give_up = Date.now() + timeout_s * 1000;
  for (;;) {
    const result = await shared.provider.request({ method, params });
    if (poll_s === null || result !== null) return result;
    if (Date.now() > give_up) throw new Error("no receipt so far; the purchase is remembered and finished when this page is opened again");
    await new Promise((resolve) => setTimeout(resolve, poll_s * 1000));
  }
}
