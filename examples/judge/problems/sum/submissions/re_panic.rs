// expect: RE
fn main() {
    let numbers: Vec<u32> = std::env::args().map(|_| 1).collect();
    println!("{}", numbers[7]);
}
