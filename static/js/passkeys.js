// Passkeys: a form with data-passkey asks the device when it is submitted, puts the answer into its hidden
// field and goes on. "create" makes a passkey, "get" proves one that is asked for, "login" any.

const decode = (text) =>
  Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (character) => character.charCodeAt(0));

const encode = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer)))
    .replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

const decodeIds = (list = []) => list.map((each) => ({ ...each, id: decode(each.id) }));

async function create(options, form) {
  const publicKey = options.publicKey;
  const alone = form.elements.passwordless.checked;
  const credential = await navigator.credentials.create({
    publicKey: {
      ...publicKey,
      challenge: decode(publicKey.challenge),
      user: { ...publicKey.user, id: decode(publicKey.user.id) },
      excludeCredentials: decodeIds(publicKey.excludeCredentials),
      authenticatorSelection: {
        ...publicKey.authenticatorSelection,
        residentKey: alone ? "required" : "discouraged",
        requireResidentKey: alone,
        userVerification: alone ? "required" : "preferred",
      },
    },
  });
  return describe(credential, {
    attestationObject: encode(credential.response.attestationObject),
    transports: credential.response.getTransports?.() ?? [],
  });
}

async function get(options) {
  const publicKey = options.publicKey;
  const credential = await navigator.credentials.get({
    publicKey: {
      ...publicKey,
      challenge: decode(publicKey.challenge),
      allowCredentials: decodeIds(publicKey.allowCredentials),
    },
  });
  const { authenticatorData, signature, userHandle } = credential.response;
  return describe(credential, {
    authenticatorData: encode(authenticatorData),
    signature: encode(signature),
    userHandle: userHandle && encode(userHandle),
  });
}

async function login(_options, form) {
  const answer = await fetch(form.action, { headers: { Accept: "application/json" } });
  if (!answer.ok) throw new DOMException("", "NetworkError");
  return get((await answer.json()).request_options);
}

function describe(credential, response) {
  return {
    type: credential.type,
    id: credential.id,
    rawId: encode(credential.rawId),
    authenticatorAttachment: credential.authenticatorAttachment,
    clientExtensionResults: credential.getClientExtensionResults(),
    response: { clientDataJSON: encode(credential.response.clientDataJSON), ...response },
  };
}

const ACTS = { create, get, login };
const TROUBLES = { SecurityError: "host", InvalidStateError: "known", NotSupportedError: "unable" };

async function prove(event) {
  event.preventDefault();
  const form = event.currentTarget;
  const button = form.querySelector("[type=submit]");
  const trouble = form.querySelector("[data-passkey-trouble]");
  trouble.hidden = true;
  trouble.classList.remove("d-block");
  button.disabled = true;
  try {
    if (!navigator.credentials || !window.PublicKeyCredential) throw new DOMException("", "NotSupportedError");
    const data = form.querySelector("script[type='application/json']");
    const answer = await ACTS[form.dataset.passkey](data && JSON.parse(data.textContent), form);
    form.elements.credential.value = JSON.stringify(answer);
    form.submit();
  } catch (error) {
    trouble.textContent = trouble.dataset[TROUBLES[error.name] ?? "refused"];
    trouble.hidden = false;
    trouble.classList.add("d-block");
    button.disabled = false;
  }
}

for (const form of document.querySelectorAll("form[data-passkey]")) form.addEventListener("submit", prove);
