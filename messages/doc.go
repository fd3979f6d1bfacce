// Package messages defines the signaling protocol, by which clients find each
// other through the service before they talk browser to browser. It has the
// grammar of the messages. What a message makes the service do is decided in
// package actors. PROTOCOL.md is the contract. testdata/vectors has it as data.
//
// # The flow of a connection
//
// A client opens a WebSocket (RFC 6455) and sends a login. The service accepts
// or refuses it. A login belongs to one connection at a time. A refused client
// may try another login.
//
// A client with a login sends offers, answers, ICE candidates and byes to
// other logins. RFC 8829 and RFC 8838 say what these are for. The service
// passes each of them on, byte for byte, once and in order for each pair, or
// answers with an error. It never reads their payload.
//
// A client that is done sends a logout or closes the connection. Both free its
// login. If the service closes the connection, the [CloseCode] says whether to
// come back.
//
// # Framing
//
// A message is one WebSocket text message of at most [MaxMessageBytes]. It is
// one JSON object (RFC 8259) in I-JSON (RFC 7493). That means:
//
//   - It is valid UTF-8, without noncharacters or half surrogate pairs.
//   - No number overflows a double.
//   - No object has a name twice, after unescaping.
//   - It is nested at most [MaxDepth] levels deep.
//   - Only white space stands before or after the object.
//
// Names are case-sensitive. Their order does not matter. The service carries
// along all names that are not mentioned below.
//
// # Messages from a client to the service
//
// A login asks for a login. It comes first on a connection, and again after a
// logout or a refusal. The service answers it. [ParseLogin] says what may be a
// login:
//
//	{"type":"login","login":"alice"}
//
// A logout gives the login up. The connection stays open. Only an error is
// answered:
//
//	{"type":"logout","login":"alice"}
//
// A ping asks whether the service is there. The service answers it, with or
// without a login. It may have an id, which is a number or a string of at most
// [MaxIDBytes]:
//
//	{"type":"ping","id":7}
//
// A client with a login asks for ICE servers (RFC 8445) with new credentials:
//
//	{"type":"ice-servers"}
//
// If the service wants tokens, each login brings one, which is a JWT (RFC 7519) for that login. A client with a login brings a
// fresh one before the token ends. The service answers it ([AppendTokenAccepted], [AppendTokenRefused]):
//
//	{"type":"login","login":"alice","token":"…"}
//	{"type":"token","token":"…"}
//
// # Messages from a client to another client
//
// "from" is the sender's own login, and "to" is the receiver's. The payload is
// the member that has the same name as the type.
//
// An offer begins a call. The caller sends it:
//
//	{"type":"offer","offer":{"type":"offer","sdp":"…"},"from":"alice","to":"bob"}
//
// An answer accepts a call. The client that was called sends it:
//
//	{"type":"answer","answer":{"type":"answer","sdp":"…"},"from":"bob","to":"alice"}
//
// An ICE candidate is one address at which the sender may be reached. Both
// clients send each candidate when they find it, and null after the last. The
// original client calls this payload iceCandidate:
//
//	{"type":"ice-candidate","ice-candidate":{"candidate":"…"},"from":"alice","to":"bob"}
//
// A bye declines a call or ends it. Either client sends it. The reason is
// "declined", "busy" or "left":
//
//	{"type":"bye","reason":"left","from":"alice","to":"bob"}
//
// # Messages from the service
//
// The answer to a login ([AppendLoginAccepted], [AppendLoginRefused]). The code
// is for programs, the message is for people:
//
//	{"type":"login","success":true}
//	{"type":"login","success":false,"code":"login-taken","message":"…"}
//
// An accepted login has the ICE servers that the service offers, if it offers any. So has the answer to ice-servers
// ([AppendICEServers]), which has an empty list otherwise:
//
//	{"type":"ice-servers","iceServers":[{"urls":["turn:…"],"username":"…","credential":"…"}]}
//
// The answer to a ping ([AppendPong]). It has the id of the ping, if that has
// one, exactly as it was sent:
//
//	{"type":"pong","id":7}
//
// The answer to everything else that is refused ([AppendError]). It has "to",
// exactly as it was sent, if a message to another client was not delivered:
//
//	{"type":"error","code":"malformed","message":"…"}
//	{"type":"error","code":"peer-unavailable","message":"…","to":"bob"}
package messages
