//! The documents that wait to be indexed, so many bytes of them at most.
//!
//! The library's own queue holds 10,000 documents, however long they are. So each document carries
//! the room that it takes, and gives it back when it is indexed or dropped: the library needs to
//! know nothing of it.

use std::sync::{Arc, Condvar, Mutex, PoisonError};

use tantivy::TantivyDocument;
use tantivy::schema::Document;

/// Lets documents in while there is room.
pub(super) struct Queue {
    size: usize,
    room: Arc<Room>,
}

/// Bytes that are free.
struct Room {
    free: Mutex<usize>,
    freed: Condvar,
}

/// A document, and the room that it takes until it is dropped.
pub(super) struct Waiting {
    document: TantivyDocument,
    bytes: usize,
    room: Arc<Room>,
}

impl Queue {
    /// A queue with room for `size` bytes.
    pub fn new(size: usize) -> Self {
        let room = Room { free: Mutex::new(size), freed: Condvar::new() };
        Self { size, room: Arc::new(room) }
    }

    /// Waits until there is room for `document`; one that is larger than all of it waits until it
    /// is alone.
    pub fn enter(&self, document: TantivyDocument, bytes: usize) -> Waiting {
        let bytes = bytes.min(self.size);
        let free = self.room.free.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.room.freed.wait_while(free, |free| *free < bytes);
        *waited.unwrap_or_else(PoisonError::into_inner) -= bytes;
        Waiting { document, bytes, room: self.room.clone() }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        *self.room.free.lock().unwrap_or_else(PoisonError::into_inner) += self.bytes;
        self.room.freed.notify_all();
    }
}

impl Document for Waiting {
    type Value<'a> = <TantivyDocument as Document>::Value<'a>;
    type FieldsValuesIter<'a> = <TantivyDocument as Document>::FieldsValuesIter<'a>;

    fn iter_fields_and_values(&self) -> Self::FieldsValuesIter<'_> {
        Document::iter_fields_and_values(&self.document)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::thread;

    fn enter(queue: &Queue, bytes: usize) -> Waiting {
        queue.enter(TantivyDocument::default(), bytes)
    }

    #[test]
    fn a_full_queue_lets_nobody_in_until_somebody_leaves() {
        let queue = Queue::new(10);
        let first = [enter(&queue, 6), enter(&queue, 4)];
        let (entered, heard) = mpsc::channel();
        thread::scope(|scope| {
            scope.spawn(|| {
                let _third = enter(&queue, 5);
                entered.send(()).unwrap();
            });
            assert_eq!(heard.try_recv(), Err(mpsc::TryRecvError::Empty));
            drop(first);
            heard.recv().unwrap();
        });
        assert_eq!(*queue.room.free.lock().unwrap(), 10);
    }

    #[test]
    fn a_document_larger_than_the_queue_enters_alone() {
        let queue = Queue::new(10);
        let large = enter(&queue, 1_000);
        assert_eq!(*queue.room.free.lock().unwrap(), 0);
        drop(large);
        drop(enter(&queue, usize::MAX));
        assert_eq!(*queue.room.free.lock().unwrap(), 10);
    }
}
