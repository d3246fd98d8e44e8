//! A small random number generator that gives the same numbers on every machine, for ever.
//!
//! xoshiro256** seeded by SplitMix64, written out here because the bytes of the sample protocol
//! depend on every bit of it: no upgrade of a dependency may change them. Not for secrets.

/// Random numbers from a seed, by integer arithmetic only.
#[derive(Debug, Clone)]
pub struct Rng([u64; 4]);

impl Rng {
    /// The generator that belongs to `seed`.
    pub fn new(seed: u64) -> Self {
        let mut state = seed;
        Self(std::array::from_fn(|_| split_mix(&mut state)))
    }

    /// A generator for part `index` of the work, independent of how much the others draw.
    pub fn fork(seed: u64, index: u64) -> Self {
        let mut state = seed ^ index.wrapping_mul(0xd134_2543_de82_ef95);
        Self::new(split_mix(&mut state))
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        let s = &mut self.0;
        let result = s[1].wrapping_mul(5).rotate_left(7).wrapping_mul(9);
        let t = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= t;
        s[3] = s[3].rotate_left(45);
        result
    }

    /// A number below `bound`, which is at least 1. Slightly uneven for huge bounds, which nobody
    /// here can notice, and free of loops whose length depends on luck.
    pub fn below(&mut self, bound: u64) -> u64 {
        let wide = u128::from(self.bits()) * u128::from(bound.max(1));
        (wide >> 64) as u64
    }

    /// A number from `low` to `high`, both included.
    pub fn within(&mut self, low: i64, high: i64) -> i64 {
        low + self.below((high - low + 1) as u64) as i64
    }

    /// True once in `n` draws.
    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// One of `items`, which are not empty.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len() as u64) as usize]
    }
}

/// One step of SplitMix64; also a good 64-bit mixing function.
pub fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::{Rng, split_mix};

    #[test]
    fn reference_values() {
        // From the public reference implementation of SplitMix64 with seed 1234567.
        let mut state = 1_234_567;
        assert_eq!(split_mix(&mut state), 6_457_827_717_110_365_317);
        assert_eq!(split_mix(&mut state), 3_203_168_211_198_807_973);
        let mut a = Rng::new(7);
        let mut b = Rng::new(7);
        assert_eq!(
            (0..9).map(|_| a.bits()).collect::<Vec<_>>(),
            (0..9).map(|_| b.bits()).collect::<Vec<_>>()
        );
    }

    #[test]
    fn bounds_hold() {
        let mut rng = Rng::fork(1, 2);
        for _ in 0..1000 {
            assert!(rng.below(3) < 3);
            assert!((-2..=2).contains(&rng.within(-2, 2)));
        }
    }
}
