package mongostore

import "go.mongodb.org/mongo-driver/v2/mongo"

// Indexes returns the keys of the declared indexes by collection, "-" before those in
// descending order.
func Indexes(db *mongo.Database) map[string][][]string {
	all := map[string][][]string{}
	for _, i := range newStore(db, nil).indexes() {
		all[i.of.c.Name()] = append(all[i.of.c.Name()], i.keys)
	}
	return all
}
