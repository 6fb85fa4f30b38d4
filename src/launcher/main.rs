//! The launcher: PID 1 of every container. A static program without std, without an allocator and
//! without panics, so that what runs between clone and exec can only be what the plan says.
//!
//! The entry point and what a freestanding program has to bring along stand here; the rest is in
//! `mod.rs`, which the library's unit tests compile too.
#![no_std]
#![no_main]

#[path = "mod.rs"]
mod launcher;
#[path = "../wire.rs"]
mod wire;

// The kernel jumps to `_start` with the stack pointer on a 16-byte boundary; a function expects it as
// after a call. What lies on the stack, arguments and environment, is not used.
#[cfg(target_arch = "x86_64")]
core::arch::global_asm!(".globl _start", "_start:", "xor ebp, ebp", "call {entry}", "ud2", entry = sym entry);
#[cfg(target_arch = "aarch64")]
core::arch::global_asm!(".globl _start", "_start:", "mov x29, 0", "mov x30, 0", "bl {entry}", "brk 1", entry = sym entry);

extern "C" fn entry() -> ! {
    launcher::run()
}

unsafe extern "C" {
    /// Defined nowhere: a launcher that could panic does not link.
    fn the_launcher_must_not_panic() -> !;
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // SAFETY: never called: the program does not link when this is reachable.
    unsafe { the_launcher_must_not_panic() }
}

/// Compiled functions of core refer to it for unwinding, of which there is none.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}

/// What the compiler may call for copies and comparisons. Loops are opaque to it, or it would replace each
/// by a call to itself; where the processor has an instruction that is fast, it serves.
mod memory {
    use core::hint::black_box;

    /// # Safety
    /// `count` bytes must be readable at `from` and writable at `to`, without overlap.
    #[unsafe(no_mangle)]
    unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, count: usize) -> *mut u8 {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: copies `count` bytes upwards, which the caller vouches for on both sides.
        unsafe {
            core::arch::asm!(
                "rep movsb",
                inout("rcx") count => _, inout("rdi") to => _, inout("rsi") from => _,
                options(nostack, preserves_flags)
            );
        }
        #[cfg(not(target_arch = "x86_64"))]
        // SAFETY: the same conditions.
        unsafe {
            copy_upwards(to, from, count);
        }
        to
    }

    /// # Safety
    /// As for [`memcpy`].
    #[cfg(not(target_arch = "x86_64"))]
    unsafe fn copy_upwards(to: *mut u8, from: *const u8, count: usize) {
        let mut index = 0;
        while index < count {
            // SAFETY: `index < count`, and the caller vouches for `count` bytes on both sides.
            unsafe { *to.add(index) = *from.add(index) };
            index = black_box(index + 1);
        }
    }

    /// # Safety
    /// `count` bytes must be readable at `from` and writable at `to`.
    #[unsafe(no_mangle)]
    unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, count: usize) -> *mut u8 {
        if (to as usize) < (from as usize) {
            // SAFETY: copying upwards reads every byte before it is overwritten.
            return unsafe { memcpy(to, from, count) };
        }
        let mut index = count;
        while index > 0 {
            index = black_box(index - 1);
            // SAFETY: `index < count`, and the caller vouches for `count` bytes on both sides.
            unsafe { *to.add(index) = *from.add(index) };
        }
        to
    }

    /// # Safety
    /// `count` bytes must be writable at `to`.
    #[unsafe(no_mangle)]
    unsafe extern "C" fn memset(to: *mut u8, value: i32, count: usize) -> *mut u8 {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: writes `count` bytes, which the caller vouches for.
        unsafe {
            core::arch::asm!(
                "rep stosb",
                inout("rcx") count => _, inout("rdi") to => _, in("al") value as u8,
                options(nostack, preserves_flags)
            );
        }
        #[cfg(not(target_arch = "x86_64"))]
        // SAFETY: the same conditions.
        unsafe {
            fill(to, value as u8, count);
        }
        to
    }

    /// # Safety
    /// As for [`memset`].
    #[cfg(not(target_arch = "x86_64"))]
    unsafe fn fill(to: *mut u8, value: u8, count: usize) {
        let mut index = 0;
        while index < count {
            // SAFETY: `index < count`, and the caller vouches for `count` bytes.
            unsafe { *to.add(index) = value };
            index = black_box(index + 1);
        }
    }

    /// # Safety
    /// `count` bytes must be readable at `a` and `b`.
    #[unsafe(no_mangle)]
    unsafe extern "C" fn memcmp(a: *const u8, b: *const u8, count: usize) -> i32 {
        let mut index = 0;
        while index < count {
            // SAFETY: `index < count`, and the caller vouches for `count` bytes on both sides.
            let (x, y) = unsafe { (*a.add(index), *b.add(index)) };
            if x != y {
                return i32::from(x) - i32::from(y);
            }
            index = black_box(index + 1);
        }
        0
    }

    /// # Safety
    /// As for [`memcmp`].
    #[unsafe(no_mangle)]
    unsafe extern "C" fn bcmp(a: *const u8, b: *const u8, count: usize) -> i32 {
        // SAFETY: the same conditions.
        unsafe { memcmp(a, b, count) }
    }

    /// # Safety
    /// `text` must be ended by a NUL.
    #[unsafe(no_mangle)]
    unsafe extern "C" fn strlen(text: *const u8) -> usize {
        let mut length = 0;
        // SAFETY: every byte up to the NUL is readable.
        while unsafe { *text.add(length) } != 0 {
            length = black_box(length + 1);
        }
        length
    }
}
