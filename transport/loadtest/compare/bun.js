// A relay for Bun's native WebSocket server, in the variant that the argument names. "bun" parses each message, and relays it
// only if it is from its sender. Most such handlers do that, and this project's service must. "unchecked" does as little as
// possible. It looks for the name of the target, and checks neither that a frame is JSON nor who its sender is.
//
// Bun writes each frame with a system call of its own. "batched" is unchecked, too. It collects the frames for a target until
// all input is handled, and writes them with one call. That is far cheaper if many frames come at once, and slightly dearer if
// they do not.
//
// The files of a certificate and its key may follow the variant. Then the server speaks TLS.
const [variant, certificate, key] = process.argv.slice(2);
const batched = variant === "batched";
const checks = variant === "bun";
const sessions = new Map();
let dirty = [];

function free(ws) {
  if (sessions.get(ws.data.login) === ws) sessions.delete(ws.data.login);
  ws.data.login = undefined;
}

function later(ws, text) {
  if (ws.data.waiting !== undefined) {
    ws.data.waiting.push(text);
    return;
  }
  ws.data.waiting = [text];
  if (dirty.push(ws) === 1) setImmediate(flush);
}

function flush() {
  const all = dirty;
  dirty = [];
  for (const ws of all) {
    const waiting = ws.data.waiting;
    ws.data.waiting = undefined;
    if (waiting.length === 1) ws.send(waiting[0]);
    else
      ws.cork(() => {
        for (const text of waiting) ws.send(text);
      });
  }
}

function relay(ws, to, text) {
  const target = sessions.get(to);
  if (target === undefined) ws.send('{"type":"error","code":"peer-unavailable"}');
  else if (batched) later(target, text);
  else target.send(text);
}

const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  tls: certificate && { cert: Bun.file(certificate), key: Bun.file(key) },
  fetch(request, server) {
    if (server.upgrade(request, { data: { login: undefined, waiting: undefined } })) return;
    return new Response("a WebSocket is expected", { status: 426 });
  },
  websocket: {
    perMessageDeflate: false,
    idleTimeout: 40, // seconds; Bun pings 16 s earlier, which is about as often as this project's service
    message(ws, text) {
      const at = checks ? -1 : text.lastIndexOf('"to":"');
      if (at >= 0) {
        relay(ws, text.slice(at + 6, text.indexOf('"', at + 6)), text);
        return;
      }
      let message;
      try {
        message = JSON.parse(text);
      } catch {
        ws.send('{"type":"error","code":"malformed"}');
        return;
      }
      if (typeof message.to === "string") {
        if (message.from === ws.data.login) relay(ws, message.to, text);
        else ws.send('{"type":"error","code":"wrong-from"}');
      } else if (message.type === "login") {
        const success = !sessions.has(message.login);
        if (success) {
          free(ws);
          ws.data.login = message.login;
          sessions.set(message.login, ws);
        }
        ws.send(success ? '{"type":"login","success":true}' : '{"type":"login","success":false}');
      } else if (message.type === "logout") {
        free(ws);
      }
    },
    close: free,
  },
});
console.log(`ready on 127.0.0.1:${server.port}`);
