package uploads

import (
	"context"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/sx"
)

// How often the server is asked whether it has finished the upload: at first
// often, as it usually has.
const (
	firstAsk = 50 * time.Millisecond
	lastAsk  = 2 * time.Second
)

// verify waits until the server has the file whole and compares the digests.
func (r *run) verify(ctx context.Context) (*Sent, error) {
	r.meter.Percent("comparing", 100, 0)
	sum, err := r.digest.wait(ctx)
	if err != nil {
		return nil, err
	}
	job, err := r.stored(ctx)
	if err != nil {
		return nil, err
	}
	if err := r.unchanged(); err != nil {
		return nil, err
	}
	if job.Video.SHA256 != sum {
		return nil, sx.NewError(sx.CodeInvalid,
			"what the server stored is not what is in the file: it changed while it was being uploaded, or was damaged on the way").
			WithHint("run the same command again; it starts anew").WithCause(errChanged)
	}
	return &Sent{Job: job, SHA256: sum, record: r.rec}, nil
}

// stored waits for the job to leave the state uploading.
func (r *run) stored(ctx context.Context) (api.Job, error) {
	unfinished := sx.NewError(sx.CodeUnavailable, "the server has all bytes and does not finish the upload")
	deadline := time.Now().Add(r.Policy.Patience)
	for pause := firstAsk; ; pause = min(pause*2, lastAsk) {
		job, err := r.job(ctx)
		switch {
		case err != nil:
			return job, err
		case job.Video.SHA256 != "":
			return job, nil
		case job.State != sx.StateUploading && job.Error != nil:
			return job, job.Error.ToError()
		case job.State != sx.StateUploading:
			return job, sx.NewError(sx.CodeConflict, "the upload was %s meanwhile", job.State).
				WithHint("run the same command again to start anew")
		case time.Now().After(deadline):
			return job, unfinished.WithHint("run the same command again: it only asks whether the upload is finished now")
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return job, ctx.Err()
		case <-timer.C:
		}
	}
}
