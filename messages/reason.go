package messages

// A reason is a sentence that tells people why a message was refused.
type reason string

const (
	reasonSize         reason = "The message is larger than 64 KiB. Send less in one message."
	reasonBOM          reason = "The message begins with a byte order mark. Leave it out."
	reasonNoObject     reason = "The message is not a JSON object. Begin it with a brace."
	reasonTrailing     reason = "Something stands behind the JSON object. Send each object in a message of its own."
	reasonEnd          reason = "The message ends before its JSON object does. Close every string, array and object."
	reasonValue        reason = "A JSON value is missing or not written as JSON wants it. Write a string, a number, true, false, null, an array or an object."
	reasonName         reason = "A member's name is missing. Write it in double quotes, and no comma behind the last member."
	reasonColon        reason = "The colon behind a member's name is missing. Write one between name and value."
	reasonComma        reason = "A comma or a closing bracket is missing. Part values by commas and close each array and object with its own bracket."
	reasonNumber       reason = "A number is not written as JSON wants it. Begin it with a digit or a minus sign, without leading zeros, and put digits behind a point or an exponent."
	reasonNumberRange  reason = "A number is too large for double precision. Send it as a string."
	reasonControl      reason = "A control character stands bare in a string. Write it as an escape."
	reasonEscape       reason = "An escape in a string is not one that JSON knows. Write a backslash itself as two."
	reasonSurrogate    reason = "A string has half of a surrogate pair as an escape. Write both halves, the high one first."
	reasonNoncharacter reason = "A string has a Unicode noncharacter in it. Leave it out."
	reasonUTF8         reason = "A string is not valid UTF-8. Encode the message as UTF-8."
	reasonDuplicate    reason = "A name stands twice in one object. Write each name once."
	reasonDepth        reason = "Arrays and objects stand too deep inside each other. Nest 64 levels at most."
	reasonType         reason = "The member type is missing or not a string. Say what kind of message it is."
	reasonUnknownType  reason = "The message's type is unknown. Send login, logout, offer, answer, ice-candidate, bye, ping, watch, ice-servers or token."
	reasonLogin        reason = "The member login is missing or not a string. Put a login there, as a string."
	reasonFrom         reason = "The member from is missing or not a string. Put your own login there, as a string."
	reasonTo           reason = "The member to is missing or not a string. Put the other side's login there, as a string."
	reasonID           reason = "The member id is neither a number nor a string of at most 64 bytes. Send such a value, or leave id out."
	reasonToken        reason = "The member token is missing or not a string. Put a token there, as a string."
	reasonLogins       reason = "The member logins is missing or not a list of at most 256 strings. Put the logins to watch there."
)
