#include <atomic>
#include <chrono>
#include <exception>
#include <filesystem>
#include <fstream>
#include <future>
#include <iostream>
#include <mutex>
#include <random>
#include <stdexcept>
#include <thread>
#include <vector>

namespace fs = std::filesystem;

int main() {
    std::mutex mutex;
    long sum = 0;
    std::vector<std::thread> threads;
    for (int number = 0; number < 1000; number++) {
        threads.emplace_back([&, number] {
            std::lock_guard<std::mutex> lock(mutex);
            sum += number;
        });
        if (threads.size() == 50) {
            for (auto &thread : threads) thread.join();
            threads.clear();
        }
    }
    std::cout << sum << std::endl;

    auto thrown = std::async(std::launch::async, [] { throw std::runtime_error("thrown"); });
    try {
        thrown.get();
    } catch (const std::exception &error) {
        std::cout << "caught in a thread: " << error.what() << std::endl;
    }

    fs::create_directories("/tmp/tree/inner");
    std::ofstream("/tmp/tree/inner/file") << "text";
    fs::copy("/tmp/tree/inner/file", "/tmp/tree/copy");
    fs::rename("/tmp/tree/copy", "/tmp/tree/moved");
    fs::create_hard_link("/tmp/tree/moved", "/tmp/tree/link");
    fs::create_directory_symlink("inner", "/tmp/tree/symlink");
    fs::permissions("/tmp/tree/moved", fs::perms::owner_all);
    fs::last_write_time("/tmp/tree/moved", fs::file_time_type::clock::now());
    int files = 0;
    std::uintmax_t bytes = 0;
    for (const auto &entry : fs::recursive_directory_iterator("/tmp/tree")) {
        if (entry.is_regular_file()) files++, bytes += entry.file_size();
    }
    std::cout << files << " files, " << bytes << " bytes" << std::endl;
    fs::space("/tmp");
    fs::remove_all("/tmp/tree");

    std::random_device device;
    std::atomic<unsigned> last{device()};
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    std::cout << (fs::exists("/tmp/tree") ? "left" : "slept") << std::endl;
}
