// What a page does with PeerJS's client, as peerjs_test.go asks for it. Each function rejects if something goes otherwise.
"use strict";

// The query of the page's address names the service.
const settings = () => {
	const service = new URL(new URLSearchParams(location.search).get("service"));
	return { host: service.hostname, port: Number(service.port), path: service.pathname, config: { iceServers: [] } };
};

const happens = (emitter, name) => new Promise((resolve, reject) => {
	emitter.once(name, resolve);
	emitter.once("error", (e) => reject(new Error(`${name} was expected, not ${e.type}: ${e.message}`)));
});

const fails = async (emitter, type) => {
	const error = await new Promise((resolve) => emitter.once("error", resolve));
	expect(error.type, type, "the error");
	return error;
};

const expect = (got, want, what) => {
	if (JSON.stringify(got) !== JSON.stringify(want)) throw new Error(`${what} is ${JSON.stringify(got)}; wanted ${JSON.stringify(want)}`);
};

const open = async (id) => {
	const peer = id === undefined ? new Peer(settings()) : new Peer(id, settings());
	peer.opened = await happens(peer, "open");
	expect(peer.opened, peer.id, "the id of the event open");
	return peer;
};

// moving returns the stream of a canvas that changes.
const moving = () => {
	const canvas = Object.assign(document.createElement("canvas"), { width: 64, height: 48 });
	const context = canvas.getContext("2d");
	let n = 0;
	setInterval(() => {
		context.fillStyle = `hsl(${n++ % 360} 90% 50%)`;
		context.fillRect(0, 0, 64, 48);
	}, 30);
	return canvas.captureStream(30);
};

// seen waits until a stream shows a picture.
const seen = async (stream) => {
	const video = Object.assign(document.createElement("video"), { muted: true, playsInline: true, srcObject: stream });
	document.body.append(video);
	await Promise.all([new Promise((resolve) => video.addEventListener("loadeddata", resolve, { once: true })), video.play()]);
	expect([video.videoWidth, video.videoHeight], [64, 48], "the picture");
	video.remove();
};

// bytesOf returns the bytes of a value that is made of bytes.
const bytesOf = async (value) => new Uint8Array(value instanceof Blob ? await value.arrayBuffer() : ArrayBuffer.isView(value) ? value.buffer.slice(value.byteOffset, value.byteOffset + value.byteLength) : value);

const pattern = (size) => Uint8Array.from({ length: size }, (_, i) => (i * 31 + (i >> 8)) & 255);

// values returns what is sent with a serialization. The largest has so many bytes.
const values = (serialization, largest) => {
	const texts = ["Grüße, 漢字, 👩🏽‍🚀", ""];
	const objects = [{ a: [1, 2.5, -3, null, true, "x"], b: { c: {} } }, 42, false, [[]]];
	switch (serialization) {
	case "raw":
		return [...texts, pattern(60_000)];
	case "json":
		return [...texts, ...objects, "long ".repeat(3_000)];
	}
	return [...texts, ...objects, "long ".repeat(60_000), pattern(largest), new Blob([pattern(largest)])];
};

const isBytes = (value) => value instanceof Blob || value instanceof ArrayBuffer || ArrayBuffer.isView(value);

const same = async (got, want) => {
	if (!isBytes(want)) return expect(got, want, "what comes back");
	const [a, b] = await Promise.all([bytesOf(got), bytesOf(want)]);
	if (a.length !== b.length || a.some((byte, i) => byte !== b[i])) throw new Error(`${a.length} bytes come back; wanted the same ${b.length}`);
};

const conversation = async (peer, other, serialization, largest) => {
	const label = `label ${serialization}`, metadata = { é: ["✓", 1] };
	const connection = peer.connect(other, { serialization, reliable: true, label, metadata });
	await happens(connection, "open");
	const next = () => happens(connection, "data");
	const seenThere = next();
	connection.send("what do you see?");
	expect(await seenThere, JSON.stringify({ label, metadata, serialization: connection.serialization, peer: peer.id }), "what the other side sees of the connection");
	for (const value of values(serialization, largest)) {
		const back = next();
		connection.send(value);
		await same(await back, value);
	}
	return connection;
};

globalThis.cases = {
	// serve opens a peer that answers the first message of a connection with what it sees of the connection, sends back what else comes, and
	// answers calls. It does not begin: of what a page sends in the event "open" of a channel that another page has made, Chromium loses
	// one message in some 500. Its own statistics say that it has sent none.
	async serve(id) {
		const peer = await open(id);
		peer.on("connection", (connection) => {
			const { label, metadata, serialization } = connection;
			connection.once("data", () => {
				connection.on("data", (value) => connection.send(value));
				connection.send(JSON.stringify({ label, metadata, serialization, peer: connection.peer }));
			});
		});
		peer.on("call", (call) => call.answer(moving()));
	},

	// visit has a conversation of each serialization with a peer that serves, and calls it.
	async visit(other, largest) {
		const peer = await open();
		if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(peer.id)) throw new Error(`the id that the service has given is ${peer.id}`);
		for (const serialization of ["binary", "binary-utf8", "json", "raw"]) (await conversation(peer, other, serialization, largest)).close();
		const call = peer.call(other, moving(), { metadata: { of: "a call" } });
		await seen(await happens(call, "stream"));
		call.close();
		peer.destroy();
	},

	// An id that somebody has is refused, and the one who has it notices nothing.
	async taken(id) {
		const holder = await open(id);
		let noticed = "";
		for (const name of ["error", "disconnected", "close"]) holder.on(name, () => noticed += name);
		const other = new Peer(id, settings());
		const closed = happens({ once: (name, f) => name === "error" || other.once(name, f) }, "close");
		await fails(other, "unavailable-id");
		await closed;
		expect([noticed, holder.open, other.destroyed], ["", true, true], "what has happened");
		holder.destroy();
	},

	// A wrong key is refused.
	async wrongKey() {
		const peer = new Peer("somebody", { ...settings(), key: "wrong" });
		const error = await fails(peer, "server-error");
		expect(error.message, "Invalid key provided", "the reason");
	},

	// A peer that is not there is said to be so, and all goes on.
	async unavailable(other) {
		const peer = await open();
		peer.connect("nobody-is-here");
		const error = await fails(peer, "peer-unavailable");
		if (!error.message.includes("nobody-is-here")) throw new Error(`the reason is ${error.message}`);
		expect([peer.open, peer.disconnected, peer.destroyed], [true, false, false], "the peer");
		(await conversation(peer, other, "json")).close();
		peer.destroy();
	},

	// A connection outlives the one to the service, and comes of age with the next one.
	async disconnects(other) {
		const peer = await open();
		const { id } = peer;
		const connection = await conversation(peer, other, "json");
		const left = happens(peer, "disconnected");
		peer.disconnect();
		expect(await left, id, "the id of the event disconnected");
		const back = happens(connection, "data");
		connection.send("still here");
		expect(await back, "still here", "what comes back");
		const refused = fails(peer, "disconnected");
		peer.connect(other);
		await refused;
		const again = happens(peer, "open");
		peer.reconnect();
		expect(await again, id, "the id after it has come back");
		(await conversation(peer, other, "json")).close();
		peer.destroy();
	},

	// A peer that disconnects and reconnects in one go is open again each time.
	async reconnects(times) {
		const peer = await open();
		const { id } = peer;
		for (let i = 0; i < times; i++) {
			const again = happens(peer, "open");
			peer.disconnect();
			peer.reconnect();
			expect(await again, id, `the id after time ${i}`);
		}
		peer.destroy();
	},

	// The id of a peer that is destroyed is free, and the other side of its connections is told.
	async destroys(other, id) {
		const peer = await open(id);
		const connection = await conversation(peer, other, "json");
		const closed = [happens(peer, "close"), happens(connection, "close")];
		peer.destroy();
		await Promise.all(closed);
		expect([peer.destroyed, peer.disconnected, peer.open], [true, true, false], "the peer");
		(await open(id)).destroy();
	},

	// The ids are listed for those who may see them.
	async lists(other) {
		const peer = await open();
		const all = await new Promise((resolve) => peer.listAllPeers(resolve));
		if (!all.includes(other) || !all.includes(peer.id)) throw new Error(`the peers are ${all}`);
		peer.destroy();
	},
};
