//! The made-up protocol: a harbour where lots of fish are auctioned by a falling and rising price.
//!
//! One [`Auction`] is the server as one recorder sees it: an endless, deterministic stream of
//! [`Message`]s. A *game* is the auction of one lot. Nothing here is taken from a real protocol.

use super::time::Micros;
use super::tree::{Tree, decimal, map, object};
use super::words::{BOATS, CHATTER, FISH, NOTICES, person};
use crate::rng::{Rng, split_mix};

/// Billionths: the unit of prices and amounts.
pub(super) const ONE: i64 = 1_000_000_000;

/// People in the harbour. Bounded, so that the catalogue of any size of sample is bounded where
/// their ids are used as keys.
const PEOPLE: u64 = 200;

/// Complete games that each resting state repeats.
const HISTORY: usize = 3;

/// One message between the recorder and the harbour.
#[derive(Debug, Clone)]
pub(super) struct Message {
    pub at: Micros,
    pub event: &'static str,
    pub args: Vec<Tree>,
    pub sent: bool,
    /// Id of the request, on a request and on its acknowledgement.
    pub ack: Option<u64>,
    /// Whether a trace goes along.
    pub trace: Option<Tree>,
}

/// What one lot looks like at one moment; the tick recorders write this and nothing else.
#[derive(Debug, Clone)]
pub(super) struct Tick {
    pub at: Micros,
    pub game_id: String,
    pub tick: i64,
    pub price: i64,
    pub phase: &'static str,
    pub bids: i64,
    pub over: bool,
}

/// The harbour.
#[derive(Debug)]
pub(super) struct Auction {
    rng: Rng,
    at: Micros,
    game: u64,
    game_id: String,
    tick: i64,
    price: i64,
    prices: Vec<i64>,
    bids: i64,
    wagers: Vec<Tree>,
    history: Vec<Tree>,
    rest: i64,
    notices: i64,
    requests: u64,
    waiting: Vec<Message>,
    started: bool,
}

impl Auction {
    pub fn new(seed: u64, index: u64, at: Micros) -> Self {
        let mut auction = Self {
            rng: Rng::fork(seed, index),
            at,
            game: index << 24,
            game_id: String::new(),
            tick: 0,
            price: ONE,
            prices: Vec::new(),
            bids: 0,
            wagers: Vec::new(),
            history: Vec::new(),
            rest: 0,
            notices: 0,
            requests: 400,
            waiting: Vec::new(),
            started: false,
        };
        auction.open_lot();
        auction
    }

    /// Where the clock stands.
    pub fn now(&self) -> Micros {
        self.at
    }

    fn open_lot(&mut self) {
        self.game += 1;
        let mut state = self.game;
        let stamp = super::time::file_stamp(self.at);
        self.game_id = format!("{}-{:016x}", stamp[..10].replace('-', ""), split_mix(&mut state));
        self.tick = 0;
        self.price = ONE;
        self.prices = vec![ONE];
        self.bids = 0;
        self.wagers.clear();
    }

    /// One step of the clock; false when the lot has just been hammered down.
    fn step(&mut self) -> bool {
        self.at += 250_000 + self.rng.within(-9_000, 9_000);
        if self.rest > 0 {
            self.rest -= 1;
            if self.rest == 0 {
                self.open_lot();
            }
            return true;
        }
        self.tick += 1;
        let swing = self.rng.within(-38_000_000, 41_000_000);
        self.price += self.price / 1000 * swing / 1_000_000;
        self.prices.push(self.price);
        if !self.rng.one_in(90) {
            return true;
        }
        let done = self.lot();
        self.history.insert(0, done);
        self.history.truncate(HISTORY);
        self.rest = 12;
        false
    }

    /// The next tick of the current lot, without any message around it.
    pub fn tick(&mut self) -> Tick {
        let over = !self.step();
        let phase = self.phase();
        Tick {
            at: self.at,
            game_id: self.game_id.clone(),
            tick: self.tick,
            price: self.price,
            phase,
            bids: self.bids,
            over,
        }
    }

    fn phase(&self) -> &'static str {
        match (self.rest, self.tick) {
            (1.., _) => "REST",
            (_, ..10) => "OPEN",
            _ => "CALLING",
        }
    }

    /// The next message. The stream never ends.
    pub fn message(&mut self) -> Message {
        if let Some(message) = self.waiting.pop() {
            return message;
        }
        if !self.started {
            self.started = true;
            return self.received("connect", vec![]);
        }
        self.step();
        match self.rng.below(40) {
            0..=5 => self.new_bid(),
            6..=8 => self.chat(),
            9..=10 => self.player(),
            11 => self.notice(),
            12..=13 => self.request(),
            14 if self.rng.one_in(4) => self.fleet(),
            15 if self.rng.one_in(6) => self.tide_table(),
            16 if self.rng.one_in(20) => {
                let reason = *self.rng.pick(&["transport close", "ping timeout"]);
                self.started = false;
                self.received("disconnect", vec![object([("reason", reason.into())])])
            }
            _ => {
                let state = self.state();
                self.received("auctionState", vec![state])
            }
        }
    }

    fn received(&mut self, event: &'static str, args: Vec<Tree>) -> Message {
        Message { at: self.at, event, args, sent: false, ack: None, trace: None }
    }

    fn traced(&mut self, event: &'static str, payload: Tree) -> Message {
        let (a, b, c) = (self.rng.bits(), self.rng.bits(), self.rng.bits());
        let trace = object([
            ("__trace", true.into()),
            ("traceparent", format!("00-{a:016x}{b:016x}-{c:016x}-01").into()),
        ]);
        Message { trace: Some(trace), ..self.received(event, vec![payload]) }
    }

    /// The whole state of the sale: the message that makes up most of a recording.
    pub fn state(&mut self) -> Tree {
        let resting = self.rest > 0;
        let phase = self.phase();
        let mut state = object([
            ("gameId", self.game_id.clone().into()),
            ("phase", phase.into()),
            ("active", (!resting).into()),
            ("fish", FISH[self.game as usize % FISH.len()].into()),
            ("tickCount", self.tick.into()),
            ("bidCount", self.bids.into()),
            ("cooldownTimer", (self.rest * 1000).into()),
        ]);
        if !resting {
            state = state.with("price", decimal(self.price, false));
        }
        let (first, last) = (self.prices.len().saturating_sub(5), self.prices.len());
        let recent = (first..last).map(|tick| (tick.to_string(), decimal(self.prices[tick], true)));
        state = state.with(
            "recentPrices",
            object([
                ("from", (first as i64).into()),
                ("to", (last as i64 - 1).into()),
                ("at", map(recent.collect::<Vec<_>>())),
            ]),
        );
        let weather = if self.rng.one_in(5) {
            object([
                ("wind", object([("knots", self.rng.within(0, 40).into()), ("from", "NW".into())])),
                ("tide.level", decimal(self.rng.within(0, 60) * 100_000_000, true)),
            ])
        } else {
            Tree::Null
        };
        state = state.with("weather", weather);
        let board = (0..self.rng.within(2, 8)).map(|place| {
            let who = self.rng.below(PEOPLE);
            let (id, name) = person(who);
            object([
                ("id", id.into()),
                ("username", name.map_or(Tree::Null, Tree::from)),
                ("position", (place + 1).into()),
                ("profit", decimal(self.rng.within(-900, 2000) * 1_234_567, false)),
                ("berth", map([((who % 40).to_string(), Tree::Bool(who.is_multiple_of(3)))])),
                ("medal", if place == 0 { "gold".into() } else { Tree::Null }),
            ])
        });
        state = state.with("leaderboard", Tree::Array(board.collect()));
        if self.rng.one_in(3) {
            let watchers = (0..self.rng.within(0, 4)).map(|_| {
                let (id, _) = person(self.rng.below(PEOPLE));
                (
                    id,
                    object([("since", self.rng.within(0, 900).into()), ("muted", self.rng.one_in(2).into())]),
                )
            });
            state = state.with("watchers", map(watchers.collect::<Vec<_>>()));
        }
        if resting {
            state = state.with("gameHistory", self.history.clone());
        }
        state
    }

    /// The complete lot, as every later history repeats it.
    fn lot(&mut self) -> Tree {
        let peak = self.prices.iter().copied().max().unwrap_or(ONE);
        let prices: Vec<Tree> = self.prices.iter().map(|price| decimal(*price, false)).collect();
        object([
            ("id", self.game_id.clone().into()),
            ("timestamp", (self.at / 1000).into()),
            ("peakMultiplier", decimal(peak, false)),
            ("rugged", true.into()),
            ("prices", prices.into()),
            ("wagers", Tree::Array(std::mem::take(&mut self.wagers))),
            ("refunds", Tree::Array(vec![])),
            (
                "seal",
                object([("seed", format!("{:016x}", self.rng.bits()).into()), ("version", "v2".into())]),
            ),
        ])
    }

    fn new_bid(&mut self) -> Message {
        self.bids += 1;
        let who = self.rng.below(PEOPLE);
        let (id, name) = person(who);
        let amount = self.rng.within(1, 5000) * 1_000_000;
        // An amount was an integer once, then a decimal, and some clients send it as text.
        let amount = match self.rng.below(10) {
            0 => decimal(amount / ONE * ONE + ONE, false),
            1 => match decimal(amount, true) {
                Tree::Number(spelling) => spelling.into(),
                other => other,
            },
            _ => decimal(amount, true),
        };
        let kind = *self.rng.pick(&["bid", "withdraw"]);
        if self.wagers.len() < 20 {
            self.wager(&id);
        }
        let bid = object([
            ("id", format!("{:012x}", self.rng.bits() >> 16).into()),
            ("gameId", self.game_id.clone().into()),
            ("playerId", id.into()),
            ("username", name.map_or(Tree::Null, Tree::from)),
            ("type", kind.into()),
            ("amount", amount),
            ("price", decimal(self.price, false)),
            ("tickIndex", self.tick.into()),
            ("boat", BOATS[who as usize % BOATS.len()].into()),
        ]);
        if self.rng.one_in(3) {
            self.received("standard/newBid", vec![bid])
        } else {
            self.traced("standard/newBid", bid)
        }
    }

    /// One entry of the lot's wagers: two variants with different members, told apart by `type`.
    fn wager(&mut self, id: &str) {
        let player = ("playerId", Tree::from(id.to_owned()));
        let tick = ("tickIndex", Tree::Int(self.tick));
        self.wagers.push(if self.rng.one_in(3) {
            object([
                ("type", "payout".into()),
                player,
                tick,
                ("payout", decimal(ONE / 20, true)),
                ("times", 5.into()),
            ])
        } else {
            object([
                ("type", "placed".into()),
                player,
                ("stake", decimal(self.rng.within(1, 90) * 1_000_000, false)),
                ("window", vec![self.tick.into(), (self.tick + 40).into()].into()),
                tick,
            ])
        });
    }

    fn chat(&mut self) -> Message {
        let (id, name) = person(self.rng.below(PEOPLE));
        let line = *self.rng.pick(CHATTER);
        let payload = object([
            ("id", format!("{:08x}", self.rng.bits() >> 32).into()),
            ("playerId", id.into()),
            ("username", name.map_or(Tree::Null, Tree::from)),
            ("message", line.into()),
            ("verified", self.rng.one_in(2).into()),
            ("mentions", Tree::Array(vec![])),
        ]);
        self.traced("chatLine", payload)
    }

    fn player(&mut self) -> Message {
        let (id, name) = person(0);
        let mut payload = object([
            ("id", id.into()),
            ("username", name.map_or(Tree::Null, Tree::from)),
            ("cash", decimal(self.rng.within(0, 50_000) * 1_000_003, true)),
            ("positionQty", decimal(self.rng.within(0, 9) * 500_000_000, false)),
            ("loan", Tree::Null),
        ]);
        if self.rng.one_in(2) {
            payload = payload.with("rate", decimal(ONE / 100, true));
        }
        self.received("playerUpdate", vec![payload])
    }

    /// A notice whose fee changes its type as the session goes on.
    fn notice(&mut self) -> Message {
        self.notices += 1;
        let fee = match self.notices % 6 {
            ..2 => Tree::Int(self.notices),
            2..4 => decimal(self.notices * 1_250_000_000, true),
            _ => "free".into(),
        };
        let payload = object([
            ("title", (*self.rng.pick(NOTICES)).into()),
            ("berthFee", fee),
            (
                "grid",
                vec![vec![1.into(), 2.into()].into(), Tree::Array(vec![]), vec![Tree::Null].into()].into(),
            ),
            ("extra", object([])),
            ("", "a key without a name".into()),
            ("odd [key]", object([("say \"ahoy\"", 1.into())])),
        ]);
        self.received("harbourNotice", vec![payload])
    }

    fn fleet(&mut self) -> Message {
        let boats = (0..self.rng.within(0, 3)).map(|_| (*self.rng.pick(BOATS)).into()).collect();
        let next =
            if self.rng.one_in(2) { object([("startsAt", (self.at / 1000).into())]) } else { Tree::Null };
        let payload = object([("fleet", Tree::Array(boats)), ("next", next), ("retired", Tree::Null)]);
        self.traced("fleetUpdate", payload)
    }

    /// A message with several arguments.
    fn tide_table(&mut self) -> Message {
        let args = vec![self.rng.within(1, 4).into(), "spring".into(), vec![decimal(ONE * 3, true)].into()];
        self.received("tideTable", args)
    }

    /// A request and, a moment later, its acknowledgement.
    fn request(&mut self) -> Message {
        self.requests += 1;
        let id = self.requests;
        let amount = decimal(self.rng.within(1, 90) * 1_000_000, false);
        let args = vec![object([("amount", amount), ("berth", self.rng.within(1, 40).into())])];
        let request = Message { sent: true, ack: Some(id), ..self.received("placeBid", args) };
        self.at += self.rng.within(20_000, 180_000);
        let args = match self.rng.below(8) {
            0 => vec![],
            1 => vec![object([("success", false.into()), ("error", "the hammer has fallen".into())])],
            _ => vec![object([
                ("success", true.into()),
                ("executedPrice", decimal(self.price, false)),
                ("timestamp", (self.at / 1000).into()),
            ])],
        };
        let reply = Message { ack: Some(id), ..self.received("ack", args) };
        self.waiting.push(reply);
        request
    }
}
