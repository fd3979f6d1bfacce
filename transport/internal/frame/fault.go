package frame

// Fault says why a frame is not acceptable. It is the only type of error in this package.
type Fault byte

const (
	_ Fault = iota
	FaultReserved
	FaultOpcode
	FaultControl
	FaultContinuation
	FaultInterleaved
	FaultMasked
	FaultUnmasked
	FaultLength
	FaultBinary
	FaultTooLong
	FaultFragments
	FaultClosePayload
	FaultCloseCode
	FaultCloseReason
)

// Status codes of close frames that follow from a fault (RFC 6455, section 7.4.1).
const (
	protocolError   = 1002
	unsupportedData = 1003
	invalidPayload  = 1007
	messageTooBig   = 1009
)

// faults has the sentence and the status code of each fault.
var faults = [...]struct {
	sentence string
	code     uint16
}{
	FaultReserved:     {"a frame has a reserved bit set", protocolError},
	FaultOpcode:       {"a frame has an unknown opcode", protocolError},
	FaultControl:      {"a control frame is too long or in fragments", protocolError},
	FaultContinuation: {"a continuation frame has no message to continue", protocolError},
	FaultInterleaved:  {"a message begins before the one before it has ended", protocolError},
	FaultMasked:       {"a server's frame is masked", protocolError},
	FaultUnmasked:     {"a client's frame is not masked", protocolError},
	FaultLength:       {"a length is written in more bytes than it needs", protocolError},
	FaultBinary:       {"a message is binary", unsupportedData},
	FaultTooLong:      {"a message is too long", messageTooBig},
	FaultFragments:    {"a message has too many fragments", messageTooBig},
	FaultClosePayload: {"a close frame has half a status code", protocolError},
	FaultCloseCode:    {"a close frame has a status code that no close frame may have", protocolError},
	FaultCloseReason:  {"the reason in a close frame is not valid UTF-8", invalidPayload},
}

func (f Fault) Error() string { return faults[f].sentence }

// Code returns the status code of the close frame that answers the fault (RFC 6455, section 7.4.1).
func (f Fault) Code() uint16 { return faults[f].code }
