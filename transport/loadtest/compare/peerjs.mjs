// PeerJS's server with two changes: a higher limit than 5,000 clients, and a longer wait for a client's heartbeat. The load
// sends no heartbeats, which spares the server the work.
const { PeerServer } = await import(process.argv[2]);
PeerServer({ host: "127.0.0.1", port: 0, concurrent_limit: 1e6, alive_timeout: 3600e3 }, (server) => {
  console.log(`ready on 127.0.0.1:${server.address().port}`);
});
