// PeerJS's server as it is, but for its limit of 5,000 clients, and for how long it waits for a client's heartbeat: the
// load does not send any, which spares it the work.
const { PeerServer } = await import(process.argv[2]);
PeerServer({ host: "127.0.0.1", port: 0, concurrent_limit: 1e6, alive_timeout: 3600e3 }, (server) => {
  console.log(`ready on 127.0.0.1:${server.address().port}`);
});
