package transport

import "p2p-messaging/messages"

const (
	opContinuation = 0x0
	opBinary       = 0x2
	opControl      = 0x8 // all opcodes from here on

	rsv        = 0x70 // first byte: the reserved bits
	opcodeBits = 0x0F // first byte
	masked     = 0x80 // second byte
	lengthBits = 0x7F // second byte

	// length16 and length64 in place of a length say that it follows in two bytes or in eight.
	length16 = 126
	length64 = 127

	maskSize   = 4
	maxControl = 125 // bytes that a control frame carries (RFC 6455, section 5.5)
	// maxFragments bounds the frames of a message, or empty ones would go on for ever: as many as it can have with a byte
	// in each, and as many empty ones.
	maxFragments = 2 * messages.MaxMessageBytes
)

// fault says why a frame is not acceptable.
type fault byte

const (
	_ fault = iota // none
	faultProtocol
	faultBinary
	faultTooBig
	faultFragments
)

// closePayload returns what the close frame says.
func (f fault) closePayload() []byte {
	code, reason := messages.CloseProtocolError, reasonProtocol
	switch f {
	case faultBinary:
		code, reason = messages.CloseUnsupportedData, "binary messages are not part of this protocol: send text"
	case faultTooBig:
		code, reason = messages.CloseMessageTooBig, "the message is longer than 64 KiB"
	case faultFragments:
		code, reason = messages.CloseMessageTooBig, "the message has too many fragments"
	}
	return appendClosePayload(nil, code, reason)
}

// frames follows the headers of a client's frames (RFC 6455, section 5.2), in whatever pieces they come, to find the
// first that is not acceptable before anything of its frame is stored. Its zero value expects the start of a frame.
type frames struct {
	length uint64 // what the header says so far
	skip   uint32 // bytes of mask and payload still to come
	total  uint32 // payload of the unfinished message
	count  uint32 // frames of the unfinished message; 0: there is none
	first  byte   // of the header
	second byte
	have   byte // bytes of the header that have come
	fault  fault

	// fragments counts the headers of fragments that are not their message's last, for who charges for frames.
	fragments uint32
}

// scan follows b, which continues what came before, and returns how much of it to pass on: all, unless a frame is not
// acceptable, which fault then says. Nothing of that frame is passed on except what was before b.
func (f *frames) scan(b []byte) int {
	start := 0 // of the frame in b
	for i := 0; i < len(b); {
		if f.skip > 0 {
			n := min(int(f.skip), len(b)-i)
			f.skip -= uint32(n)
			i += n
			continue
		}
		if f.have == 0 {
			start = i
		}
		if f.header(b[i]); f.fault != 0 {
			return start
		}
		i++
	}
	return len(b)
}

// readHeader follows b as scan does, but only to the end of the header that it begins with or continues, and returns how
// much of it that is. Once a header is complete, skip is the size of what follows it, mask and payload, which the caller
// takes itself; it sets skip to 0 for the next one.
func (f *frames) readHeader(b []byte) int {
	if f.skip > 0 {
		return 0
	}
	for i, c := range b {
		if f.header(c); f.fault != 0 || f.skip > 0 {
			return i + 1
		}
	}
	return len(b)
}

// header takes one byte of a header.
func (f *frames) header(b byte) {
	switch f.have++; f.have {
	case 1:
		f.first = b
		if !f.expects(b) {
			f.fault = faultProtocol
		}
		return
	case 2:
		f.second = b
		f.length = uint64(b & lengthBits)
		if b&masked == 0 || f.first&opControl != 0 && f.length > maxControl {
			f.fault = faultProtocol
			return
		}
		if f.length >= length16 {
			f.length = 0
			return
		}
	default:
		f.length = f.length<<8 | uint64(b)
		size, least := byte(2+2), uint64(length16)
		if f.second&lengthBits == length64 {
			size, least = 2+8, 1<<16
		}
		if f.have < size {
			return
		}
		if f.length < least {
			f.fault = faultProtocol
			return
		}
	}
	f.begin()
}

// expects reports whether a header may begin with b now.
func (f *frames) expects(b byte) bool {
	if b&rsv != 0 {
		return false
	}
	switch b & opcodeBits {
	case opContinuation:
		return f.count > 0
	case opText, opBinary:
		return f.count == 0
	case opClose, opPing, opPong:
		return b&fin != 0
	default:
		return false
	}
}

// begin has the frame begin whose header is complete.
func (f *frames) begin() {
	if f.first&opControl == 0 {
		f.count++
		switch {
		case f.length > uint64(messages.MaxMessageBytes-f.total):
			f.fault = faultTooBig
			return
		case f.first&opcodeBits == opBinary:
			f.fault = faultBinary
			return
		case f.count > maxFragments:
			f.fault = faultFragments
			return
		}
		f.total += uint32(f.length)
		if f.first&fin != 0 {
			f.total, f.count = 0, 0
		} else {
			f.fragments++
		}
	}
	f.skip = maskSize + uint32(f.length)
	f.have = 0
}
