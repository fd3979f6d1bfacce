// Package frame reads and writes the frames of RFC 6455, the WebSocket protocol. It knows nothing of sockets and nothing
// of what messages mean: it works on bytes that its caller has read, or is about to write.
//
// A [Reader] reads a stream of frames strictly, in either direction and in whatever pieces the bytes come. It holds a
// session's 8 bytes of state; the bytes of a frame that is only partly there stay with the caller. [Append] and
// [AppendMasked] write frames, [Mask] masks and unmasks a payload, and [AppendClose] and [AnswerClose] deal with the
// payload of a close frame. [AppendAccept] computes the value that a handshake is answered with.
package frame
