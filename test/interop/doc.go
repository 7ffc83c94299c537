// Package interop runs programs of the official clients against a server and checks what they print.
//
// A program is one [Case] in one [Language]; README.md is the contract of the two. [Run] builds the
// programs, gives each a topic and a consumer group of its own, and holds the lines of its output
// against those of the case. It knows a client only by its commands, so the same programs meet the
// embedded broker and the real server with the same expectations.
package interop
