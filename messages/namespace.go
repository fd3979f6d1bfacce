package messages

// PeerMark begins the key of a PeerJS id (package peerjs). No login has a control character, so no such key is that of a login: the
// login alice and the id alice are two clients.
const PeerMark = '\x03'

// PeerKey returns the key of a PeerJS id. Ids are compared exactly.
func PeerKey(id string) string { return string(PeerMark) + id }

// IsPeerKey reports whether a key is that of a PeerJS id.
func IsPeerKey[T ~string | ~[]byte](key T) bool { return len(key) > 0 && key[0] == PeerMark }

// MaxKeyBytes is the length of the longest key that a client may have. A PeerJS id comes in the head of an HTTP request, of which a service
// reads 20 KiB at most. A byte of it that is not UTF-8 becomes a character of three bytes. Keys of logins are far shorter.
//
// A message may name a longer id as its addressee, because a message may be longer than a head. Nobody has that id.
const MaxKeyBytes = 64 << 10
