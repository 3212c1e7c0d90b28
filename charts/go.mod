module github.com/soundextract/sx/charts

go 1.26.0
