package sx

// Services returns the names of the services. A service's program (a directory of
// server/cmd), image and Deployment have the same name.
func Services() []string { return []string{"auth", "gateway", "converter", "notifier"} }
