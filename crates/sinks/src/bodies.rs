//! Points as bodies of requests that a server takes: bounded in points and in bytes.

/// Bytes of a body at most. Qdrant takes 32 MiB and Chroma 40 MB; a quarter of that leaves room for the
/// limits of what stands in between. A point that alone is larger goes alone.
pub(crate) const BODY_BYTES_MAX: usize = 8 << 20;

/// JSON that grows point by point: an object of `N` lists, to each of which a point adds one value.
pub(crate) struct Bodies<const N: usize> {
    names: [&'static str; N],
    lists: [Vec<u8>; N],
    points: usize,
    points_max: usize,
}

impl<const N: usize> Bodies<N> {
    /// Lists of these names, for at most so many points.
    pub(crate) fn new(names: [&'static str; N], points_max: usize) -> Self {
        Bodies { names, lists: [const { Vec::new() }; N], points: 0, points_max: points_max.max(1) }
    }

    /// Adds the values of a point, each of them JSON. Hands over the body that is full if they do not fit.
    pub(crate) fn push(&mut self, values: [Vec<u8>; N]) -> Option<Vec<u8>> {
        let bytes = |lists: &[Vec<u8>; N]| lists.iter().map(Vec::len).sum::<usize>();
        let full = self.points == self.points_max || bytes(&self.lists) + bytes(&values) > BODY_BYTES_MAX;
        let body = if full { self.take() } else { None };
        for (list, value) in self.lists.iter_mut().zip(values) {
            if !list.is_empty() {
                list.push(b',');
            }
            list.extend(value);
        }
        self.points += 1;
        body
    }

    /// The body of what was added since the last one, if there is any.
    pub(crate) fn take(&mut self) -> Option<Vec<u8>> {
        if self.points == 0 {
            return None;
        }
        self.points = 0;
        let mut body = Vec::new();
        for (name, list) in self.names.iter().zip(&mut self.lists) {
            body.extend(if body.is_empty() { b"{\"" } else { b",\"" });
            body.extend(name.as_bytes());
            body.extend(b"\":[");
            body.append(list);
            body.push(b']');
        }
        body.push(b'}');
        Some(body)
    }
}
