package mediafiles

import "path"

// Flatten takes the directories out of the names, except where files would then have the
// same name.
func (f *Found) Flatten() {
	count := map[string]int{}
	for _, file := range f.Files {
		count[path.Base(file.Name)]++
	}
	for i := range f.Files {
		file := &f.Files[i]
		if count[path.Base(file.Name)] == 1 {
			file.Name = path.Base(file.Name)
			for j := range file.Joined {
				file.Joined[j].Name = path.Base(file.Joined[j].Name)
			}
		}
	}
}
