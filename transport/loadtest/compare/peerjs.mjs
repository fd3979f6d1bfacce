// PeerJS's server with two changes: a higher limit than 5,000 clients, and a longer wait for a client's heartbeat. The load
// sends no heartbeats, which spares the server the work. The files of a certificate and its key may follow the path of the
// module. Then the server speaks TLS.
import { readFileSync } from "node:fs";

const [module, certificate, key] = process.argv.slice(2);
const ssl = certificate && { cert: readFileSync(certificate), key: readFileSync(key) };
const { PeerServer } = await import(module);
PeerServer({ host: "127.0.0.1", port: 0, concurrent_limit: 1e6, alive_timeout: 3600e3, ssl }, (server) => {
  console.log(`ready on 127.0.0.1:${server.address().port}`);
});
