package main

import (
	"bytes"
	"encoding/binary"

	"go.mongodb.org/mongo-driver/bson"
)

// The parts of a command's second section; see OP_MSG in the wire protocol.
const (
	checksumPresent = 1 // a flag
	sequence        = 1 // the kind of a section with a list of documents
)

// byID replaces each deletion of {_id: {$in: […]}} by one of {_id: …} for each value,
// for which FerretDB uses the index. It returns any other request as it is.
func byID(request []byte) []byte {
	if len(request) < firstKey || request[flagBits]&checksumPresent != 0 {
		return request
	}
	head := body + int(binary.LittleEndian.Uint32(request[body:])) // the end of the command
	prefix := append([]byte{sequence, 0, 0, 0, 0}, "deletes\x00"...)
	if head+len(prefix) > len(request) || request[head] != sequence ||
		!bytes.Equal(request[head+5:head+len(prefix)], prefix[5:]) ||
		head+1+int(binary.LittleEndian.Uint32(request[head+1:])) != len(request) {
		return request
	}
	section := prefix
	for rest := request[head+len(prefix):]; len(rest) > 0; {
		if len(rest) < 4 {
			return request
		}
		n := int(binary.LittleEndian.Uint32(rest))
		if n < 5 || n > len(rest) {
			return request
		}
		section, rest = append(section, eachID(rest[:n])...), rest[n:]
	}
	binary.LittleEndian.PutUint32(section[1:], uint32(len(section)-1))
	changed := append(bytes.Clone(request[:head]), section...)
	binary.LittleEndian.PutUint32(changed, uint32(len(changed)))
	return changed
}

// eachID returns the deletions that replace d, or d.
func eachID(d bson.Raw) []byte {
	filter, _ := d.Lookup("q").DocumentOK()
	conditions, _ := filter.Elements()
	list, ok := filter.Lookup("_id", "$in").ArrayOK()
	if !ok || len(conditions) != 1 {
		return d
	}
	values, err := list.Values()
	var all []byte
	for _, v := range values {
		var one []byte
		if one, err = bson.Marshal(bson.D{{Key: "q", Value: bson.D{{Key: "_id", Value: v}}}, {Key: "limit", Value: 1}}); err != nil {
			break
		}
		all = append(all, one...)
	}
	if err != nil || len(values) == 0 {
		return d
	}
	return all
}
