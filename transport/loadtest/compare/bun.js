// A small relay for Bun's native WebSocket server, as such handlers are written: each frame is parsed, which is all the
// checking there is of its form; a session may send only as itself, and only to a login that is there.
const sessions = new Map();

function free(ws) {
  if (sessions.get(ws.data.login) === ws) sessions.delete(ws.data.login);
  ws.data.login = undefined;
}

const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  fetch(request, server) {
    if (server.upgrade(request, { data: { login: undefined } })) return;
    return new Response("a WebSocket is expected", { status: 426 });
  },
  websocket: {
    perMessageDeflate: false,
    idleTimeout: 32, // pings after 24 s or so: about as often as ours
    message(ws, text) {
      const message = JSON.parse(text);
      if (message.to !== undefined) {
        const target = sessions.get(message.to);
        if (message.from !== ws.data.login || target === undefined) ws.send('{"type":"error","code":"peer-unavailable"}');
        else target.send(text);
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
