package messages

// Code tells programs why the service refused something. A published code
// keeps its meaning. The sentence that goes with it may change.
type Code string

const (
	CodeMalformed       Code = "malformed"         // not a JSON object as [Decode] wants it, or a member is missing or not a string
	CodeUnknownType     Code = "unknown-type"      // the message's type is none of [Type]
	CodeNotLoggedIn     Code = "not-logged-in"     // a relay or a logout on a connection without a login
	CodeAlreadyLoggedIn Code = "already-logged-in" // a second login on one connection
	CodeLoginTaken      Code = "login-taken"       // another connection holds the login
	CodeLoginInvalid    Code = "login-invalid"     // nobody may have this login, see [ParseLogin]
	CodeWrongFrom       Code = "wrong-from"        // a relay's from is not the sender's own login
	CodeWrongLogin      Code = "wrong-login"       // a logout of somebody else's login
	CodePeerUnavailable Code = "peer-unavailable"  // nobody has the login in "to", or nobody has it any more
	CodePeerOverloaded  Code = "peer-overloaded"   // too many bytes already wait for the login in "to"
	CodePeerUnreachable Code = "peer-unreachable"  // the login in "to" is on another node, which cannot be reached now
	CodeAuthRequired    Code = "auth-required"     // the login came without the token that the service wants
	CodeAuthFailed      Code = "auth-failed"       // the token is not valid for this login
	CodeCapacity        Code = "capacity"          // the service cannot decide now who has the login, or has too many PeerJS clients
	CodeTooMany         Code = "too-many"          // too many logins come from the client's address
)

// Message returns the general sentence for people that goes with c. Use it if
// no more exact one is known.
func (c Code) Message() string {
	switch c {
	case CodeMalformed:
		return "The message is not one that the signaling protocol knows how to read. Send one JSON object with its members as documented."
	case CodeUnknownType:
		return string(reasonUnknownType)
	case CodeNotLoggedIn:
		return "You are not logged in. Log in first."
	case CodeAlreadyLoggedIn:
		return "You are logged in already. Log out before you log in again."
	case CodeLoginTaken:
		return "This login is already in use. Choose another one."
	case CodeLoginInvalid:
		return "This login cannot be used. Choose another one."
	case CodeWrongFrom:
		return "A message goes out under your own login only. Put the login that you logged in with into from."
	case CodeWrongLogin:
		return "You can log out your own login only. Name the one that you logged in with."
	case CodePeerUnavailable:
		return "Nobody with this login is here. Check how it is written, or try again later."
	case CodePeerOverloaded:
		return "The other side is not keeping up with what is sent to it. Try again in a moment."
	case CodePeerUnreachable:
		return "The other side cannot be reached at the moment. Try again in a moment."
	case CodeAuthRequired:
		return "This service wants proof of who you are. Log in with a token."
	case CodeAuthFailed:
		return "Your token does not hold for this login. Get a new one and log in again."
	case CodeCapacity:
		return "The service cannot decide now who has this login. Try again in a moment."
	case CodeTooMany:
		return "Too many logins come from your network at the moment. Try again in a few seconds."
	}
	return "The service refused the message."
}
