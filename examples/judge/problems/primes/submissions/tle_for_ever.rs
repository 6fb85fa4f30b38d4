// expect: TLE
fn main() {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
    let mut n: u64 = line.trim().parse().unwrap();
    while std::hint::black_box(n) > 0 {
        n = n.rotate_left(1) | 1;
    }
    println!("{n}");
}
