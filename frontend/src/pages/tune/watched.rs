//! What is known of a run, as its events tell it.

use tupate_api::{Event, Progress, RunState, Scored, StoredEvent};

/// Notes that are shown.
const NOTES: usize = 4;

/// A run as its events tell it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Watched {
    /// Id of the latest event.
    pub last: u64,
    /// Where the run stands.
    pub state: Option<RunState>,
    /// How far it has come.
    pub progress: Option<Progress>,
    /// What each learning rate came to, in the order in which they were tried.
    pub curves: Vec<Curve>,
    /// The latest ranking.
    pub ranking: Option<Ranked>,
    /// Whether it was told to finish early.
    pub finishing: bool,
    /// What it said, the latest last.
    pub notes: Vec<String>,
}

/// One learning rate's epochs.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// The learning rate.
    pub learning_rate: f64,
    /// Epochs in order.
    pub points: Vec<Point>,
}

/// One epoch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Counted from 1.
    pub epoch: u64,
    /// Mean training loss.
    pub loss: f64,
    /// Validation score.
    pub score: f64,
}

/// The embedding so far, ranked.
#[derive(Clone, Debug, PartialEq)]
pub struct Ranked {
    /// After this epoch.
    pub epoch: u64,
    /// For how many epochs the sources have been the same.
    pub settled: u64,
    /// The closest sources, the closest first.
    pub sources: Vec<Scored>,
}

impl Watched {
    /// Takes an event in; one that was heard before changes nothing.
    pub fn hear(&mut self, stored: StoredEvent) {
        if stored.id <= self.last {
            return;
        }
        self.last = stored.id;
        match stored.event {
            Event::State { state, .. } => self.state = Some(state),
            Event::Finishing => self.finishing = true,
            Event::Progress(progress) => self.progress = Some(progress),
            Event::Epoch { epoch, learning_rate, loss, score } => {
                let at = self.curves.iter().position(|c| c.learning_rate == learning_rate);
                let at = at.unwrap_or_else(|| {
                    self.curves.push(Curve { learning_rate, points: Vec::new() });
                    self.curves.len() - 1
                });
                let points = &mut self.curves[at].points;
                let place = points.partition_point(|point| point.epoch < epoch);
                let point = Point { epoch, loss, score };
                match points.get_mut(place).filter(|there| there.epoch == epoch) {
                    // Trained again after an interruption.
                    Some(there) => *there = point,
                    None => points.insert(place, point),
                }
            }
            Event::Ranking { epoch, settled, sources, .. } => {
                self.ranking = Some(Ranked { epoch, settled, sources });
            }
            Event::Note { text } => {
                self.notes.push(text);
                let extra = self.notes.len().saturating_sub(NOTES);
                self.notes.drain(..extra);
            }
        }
    }

    /// The best validation score so far, with its epoch.
    pub fn best(&self) -> Option<(u64, f64)> {
        let points = self.curves.iter().flat_map(|curve| &curve.points);
        points.fold(None, |best, point| match best {
            Some((_, score)) if score >= point.score => best,
            _ => Some((point.epoch, point.score)),
        })
    }
}

/// Takes a stream of server-sent events apart (HTML standard, section 9.2.6).
#[derive(Debug, Default)]
pub struct Frames {
    rest: Vec<u8>,
}

impl Frames {
    /// The events that are whole with these bytes.
    pub fn take(&mut self, bytes: &[u8]) -> Vec<StoredEvent> {
        self.rest.extend_from_slice(bytes);
        let mut events = Vec::new();
        while let Some(end) = self.rest.windows(2).position(|pair| pair == b"\n\n") {
            let block: Vec<u8> = self.rest.drain(..end + 2).collect();
            for line in block.split(|byte| *byte == b'\n') {
                // Comments and what this page does not know are passed over.
                let data = line.strip_prefix(b"data: ");
                events.extend(data.and_then(|data| serde_json::from_slice(data).ok()));
            }
        }
        events
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epoch(id: u64, epoch: u64, score: f64) -> StoredEvent {
        let event = Event::Epoch { epoch, learning_rate: 1e-3, loss: 0.5, score };
        StoredEvent { id, at: 0, event }
    }

    #[test]
    fn events_are_heard_once_and_in_order_of_epochs() {
        let mut watched = Watched::default();
        for event in [epoch(1, 1, 0.5), epoch(2, 3, 0.7), epoch(2, 9, 0.9), epoch(3, 2, 0.8)] {
            watched.hear(event);
        }
        // Trained again after a kill.
        watched.hear(epoch(4, 3, 0.75));
        let points: Vec<_> =
            watched.curves[0].points.iter().map(|point| (point.epoch, point.score)).collect();
        assert_eq!(points, [(1, 0.5), (2, 0.8), (3, 0.75)]);
        assert_eq!((watched.last, watched.best()), (4, Some((2, 0.8))));
        for id in 5..15 {
            let event = Event::Note { text: id.to_string() };
            watched.hear(StoredEvent { id, at: 0, event });
        }
        assert_eq!(watched.notes, ["11", "12", "13", "14"]);
    }

    #[test]
    fn a_stream_may_be_cut_anywhere() {
        let text = "retry: 2000\n\n: alive\n\nid: 1\nevent: note\ndata: {\"id\":1,\"at\":0,\
                    \"kind\":\"note\",\"text\":\"ü\"}\n\nid: 2\nevent: later\ndata: {\"id\":2,\
                    \"at\":0,\"kind\":\"later\"}\n\nid: 3\nevent: finishing\ndata: {\"id\":3,\
                    \"at\":0,\"kind\":\"finishing\"}\n\n";
        for size in 1..text.len() {
            let mut frames = Frames::default();
            let mut watched = Watched::default();
            for part in text.as_bytes().chunks(size) {
                frames.take(part).into_iter().for_each(|event| watched.hear(event));
            }
            assert_eq!((watched.last, watched.finishing), (3, true));
            assert_eq!(watched.notes, ["ü"]);
        }
    }
}
