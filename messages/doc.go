// Package messages is the signaling protocol: how clients find each other
// through the service before they talk browser to browser. It has the grammar
// of what goes over the wire, and nothing about what that makes anybody do.
// PROTOCOL.md is the contract, testdata/vectors has it as data.
//
// # The flow of a connection
//
// A client opens a WebSocket (RFC 6455) and sends a login. The service answers
// whether it has it; a login belongs to one connection at a time, and a
// refused client may try another. From then on the client sends offers,
// answers, ICE candidates and byes under its login to other logins (RFC 8829
// and RFC 8838 say what for), and the service passes each on, byte for byte,
// once and in order for each pair, or answers with an error. It never reads
// what they carry. A client that is done sends a logout, or simply closes:
// either way its login is free again. When the service closes, the
// [CloseCode] says whether to come back.
//
// # Framing
//
// A message is one text message of a WebSocket, of [MaxMessageBytes] at most:
// one JSON object (RFC 8259) in I-JSON (RFC 7493). That is, valid UTF-8, no
// half of a surrogate pair and no noncharacter, no number that overflows a
// double, no name twice in one object after unescaping, [MaxDepth] levels at
// most, and nothing before or after the object but white space. Names are
// case-sensitive, their order is free. Names that are not mentioned below are
// carried along.
//
// # Messages from a client to the service
//
// To get a login, first thing on a connection and again after a logout or a
// refusal. It is answered; see [ParseLogin] for what may be a login:
//
//	{"type":"login","login":"alice"}
//
// To give it up. The connection stays. It is not answered, unless with an
// error:
//
//	{"type":"logout","login":"alice"}
//
// # Messages from a client to another
//
// From is the sender's own login, to the receiver's. The member that is named
// like the type is the payload.
//
// To begin a call, from the one who calls:
//
//	{"type":"offer","offer":{"type":"offer","sdp":"…"},"from":"alice","to":"bob"}
//
// To take it, from the one who was called:
//
//	{"type":"answer","answer":{"type":"answer","sdp":"…"},"from":"bob","to":"alice"}
//
// From both, for each way in which they may be reached, while they are found;
// null after the last. The original client writes iceCandidate for the
// payload's name:
//
//	{"type":"ice-candidate","ice-candidate":{"candidate":"…"},"from":"alice","to":"bob"}
//
// From either, to decline a call or to end it. Reason is "declined", "busy" or
// "left":
//
//	{"type":"bye","reason":"left","from":"alice","to":"bob"}
//
// # Messages from the service
//
// In answer to a login ([AppendLoginAccepted], [AppendLoginRefused]). Code is
// for programs, message for people:
//
//	{"type":"login","success":true}
//	{"type":"login","success":false,"code":"login-taken","message":"…"}
//
// In answer to anything else that is refused ([AppendError]). To is there if a
// message to another could not be delivered, and is as it was sent:
//
//	{"type":"error","code":"malformed","message":"…"}
//	{"type":"error","code":"peer-unavailable","message":"…","to":"bob"}
package messages
