#![allow(missing_docs, clippy::all)]
use stele_engine::*;
struct P;
impl Progress for P { fn update(&self, _: &Update) {} fn note(&self, t: &str) { eprintln!("note: {t}"); } }
fn main() {
    let mode = std::env::args().nth(1).unwrap();
    let mut s = Settings::default();
    s.data_dir = std::env::args().nth(2).unwrap().into();
    if let Ok(f) = std::env::var("FOLD") { s.fold = if f == "digits" { discovery::Folding::Digits } else { discovery::Folding::None } }
    let e = Engine::new(s, Environment::default()).unwrap();
    let t: Vec<String> = std::env::args().skip(3).collect();
    let c = Cancel::default();
    let now = std::time::Instant::now();
    match mode.as_str() {
        "ingest" => { let r = e.ingest(&t, &Default::default(), &P, &c).unwrap_or_else(|e| panic!("{e}")); println!("{:#?}", r); println!("{:.1} MB/s", r.bytes_in as f64 / 1e6 / now.elapsed().as_secs_f64()); }
        "coverage" => { let r = e.coverage(&P, &c).unwrap_or_else(|e| panic!("{e}")); println!("{:?} {} {:?}", r.holds, r.paths, r.totals); println!("{:#?}", r.differences); }
        "discover" => { let r = e.discover(&t, &Default::default(), &P, &c).unwrap_or_else(|e| panic!("{e}")); let el = now.elapsed(); println!("{:?} {:.1} MB/s", r.ledger, r.ledger.bytes_in as f64 / 1e6 / el.as_secs_f64()); for x in r.catalogue.rules() { println!("{x:?}"); } }
        "tsv" => { let r = e.discover(&t, &Default::default(), &P, &c).unwrap_or_else(|e| panic!("{e}")); discovery::render::tsv::write(&mut std::io::stdout(), &r.catalogue.view()).unwrap(); }
        "validate" => { println!("{:#?}", e.validate_records(&P, &c).unwrap()); }
        "replay" => { e.replay(&t[0], &mut std::io::stdout()).unwrap(); }
        _ => {}
    }
    eprintln!("{:?}", now.elapsed());
}
