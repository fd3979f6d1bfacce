package frame

// Rules say which frames a [Reader] accepts besides what RFC 6455 prescribes.
type Rules struct {
	// FromClient says that a client sends the frames. A client's frames must be masked, a server's frames must not be (RFC
	// 6455, section 5.1).
	FromClient bool
	// Binary lets messages be binary.
	Binary bool
	// MaxMessage is how many bytes a message may have, over all its fragments; less than 2^31.
	MaxMessage int
	// MaxFragments is how many frames a message may have. 0 means any number: empty fragments could go on for ever then.
	MaxFragments int
}

// Reader reads the frames of one direction of a connection (RFC 6455, section 5). Its zero value expects the first frame.
//
// A Reader is used in two steps, because a frame that is whole may have to wait. Peek looks at the frame at the start of
// what the caller has, and may be called again with the same bytes or with more. Take goes on to the next frame.
//
//	for {
//		h, more, err := r.Peek(b, rules)
//		if err != nil || more > 0 {
//			break // refuse the frame, or read more bytes and come again
//		}
//		r.Take(h)
//		payload := b[h.Size():][:h.Length]
//		b = b[h.Size()+len(payload):]
//		frame.Mask(payload, h.Key)
//		…
//	}
type Reader struct {
	size      uint32 // bytes of the unfinished message so far
	fragments uint32 // frames of it so far; 0: no message is unfinished
}

// Peek looks at the frame at the start of b. More is 0 if the frame is whole. Otherwise at least so many bytes are missing,
// and Peek must be called again with b and what has come behind it.
//
// The error is a [Fault]. Peek finds it with the first byte that makes the frame unacceptable, which is a byte of the
// header. So the caller never stores the payload of a frame that will be refused.
func (r *Reader) Peek(b []byte, rules *Rules) (h Header, more int, err error) {
	h, more = ParseHeader(b)
	if fault := r.check(h, len(b), rules); fault != 0 {
		return h, 0, fault
	}
	if more > 0 {
		return h, more, nil
	}
	return h, max(0, h.Size()+int(h.Length)-len(b)), nil
}

// Take goes on to the frame behind the one that Peek has returned last.
func (r *Reader) Take(h Header) {
	switch {
	case h.Opcode().Control():
	case h.Fin():
		*r = Reader{}
	default:
		r.size += uint32(h.Length)
		r.fragments++
	}
}

// check returns the fault of a header, as far as its first n bytes show it; 0 if they show none. The header is what
// ParseHeader returns for n bytes.
func (r *Reader) check(h Header, n int, rules *Rules) Fault {
	if n < 1 {
		return 0
	}
	if fault := r.checkFirst(h.first); fault != 0 {
		return fault
	}
	if n < 2 {
		return 0
	}
	length, control := h.second&lengthBits, h.Opcode().Control()
	switch {
	case h.Masked() != rules.FromClient:
		if rules.FromClient {
			return FaultUnmasked
		}
		return FaultMasked
	case control && length > MaxControl:
		return FaultControl
	case control || n < h.sizeToLength():
		return 0
	case length == length16 && h.Length < length16, length == length64 && h.Length <= 0xFFFF:
		return FaultLength
	// The rules may allow less than when the message began.
	case int(r.size) > rules.MaxMessage || h.Length > uint64(rules.MaxMessage-int(r.size)):
		return FaultTooLong
	case h.Opcode() == Binary && !rules.Binary:
		return FaultBinary
	case rules.MaxFragments > 0 && r.fragments >= uint32(rules.MaxFragments):
		return FaultFragments
	}
	return 0
}

// checkFirst returns what is wrong with the first byte of a header, 0 for nothing.
func (r *Reader) checkFirst(b byte) Fault {
	if b&reservedBit != 0 {
		return FaultReserved
	}
	switch Opcode(b & opcodeBits) {
	case Text, Binary:
		if r.fragments > 0 {
			return FaultInterleaved
		}
	case Continuation:
		if r.fragments == 0 {
			return FaultContinuation
		}
	case Close, Ping, Pong:
		if b&finBit == 0 {
			return FaultControl
		}
	default:
		return FaultOpcode
	}
	return 0
}
