// SPDX-License-Identifier: Apache-2.0
#include "app/authority.h"

#include "app/config.h"
#include "inspect/descriptor.h"
#include "inspect/scanner/sandbox.h"

#include <fmt/format.h>

#include <fcntl.h>
#include <grp.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fstream>
#include <iterator>
#include <limits>
#include <string_view>

namespace sluice::app {

namespace {

namespace fs = std::filesystem;
namespace ca = net::ca;
using inspect::Descriptor;

constexpr std::string_view signer_word = "--signer";
// Where the signer finds them.
constexpr int socket_descriptor = 3;
constexpr int certificate_descriptor = 4;
constexpr int key_descriptor = 5;
constexpr std::size_t largest_file = 64 * 1024;
// A child that ends sooner will do so again.
constexpr unsigned short_life = 1;                       // second
// "nobody": owns no file and no other process.
constexpr unsigned nobody = 65534;

std::expected<std::string, std::string> read_small_file(int descriptor) {
    std::string text(largest_file, '\0');
    std::size_t size = 0;
    for (;;) {
        const ssize_t got = ::read(descriptor, text.data() + size, text.size() - size);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return std::unexpected(std::string(std::strerror(errno)));
        if (got == 0) break;
        size += static_cast<std::size_t>(got);
        if (size == text.size()) return std::unexpected(std::string("it is too large"));
    }
    text.resize(size);
    return text;
}

// The child that signs. Its parent has nothing to do but to wait and make another: what crashes the one does not cost the key.
int sign_in_sandbox(const ca::Authority& authority) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    // Whatever the library needs is loaded before the cage closes.
    const auto key = net::tls::KeyPtr(EVP_EC_gen("P-256"));
    ca::LeafRequest warm = ca::request_for("warm.invalid");
    if (key) warm.public_key = ca::public_key_of(*key).value_or("");
    static_cast<void>(ca::sign_leaf(authority, warm));
    if (!inspect::enter_sandbox({.memory = 256ULL << 20, .nice = 0})) return 1;
    return ca::run_signer(socket_descriptor, authority);
}

int run_signer_process() {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::prctl(PR_SET_NAME, "sluice-signer");
    ::prctl(PR_SET_DUMPABLE, 0);
    const rlimit none{0, 0};
    ::setrlimit(RLIMIT_CORE, &none);
    ::close_range(key_descriptor + 1, std::numeric_limits<unsigned>::max(), 0);
    auto certificate_text = read_small_file(certificate_descriptor);
    auto key_text = read_small_file(key_descriptor);
    ::close(certificate_descriptor);
    ::close(key_descriptor);
    if (!certificate_text || !key_text) return 1;
    auto certificate = ca::certificate_from_pem(*certificate_text);
    auto key = ca::key_from_pem(*key_text);
    OPENSSL_cleanse(key_text->data(), key_text->size());
    if (!certificate || !key || !ca::check_authority(**certificate, key->get())) return 1;
    const ca::Authority authority{std::move(*certificate), std::move(*key)};
    if (::geteuid() == 0 &&
        (::setgroups(0, nullptr) != 0 || ::setresgid(nobody, nobody, nobody) != 0 || ::setresuid(nobody, nobody, nobody) != 0))
        return 1;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);                  // forgotten where the user changes
    ::prctl(PR_SET_DUMPABLE, 0);
    for (;;) {
        const pid_t child = ::fork();
        if (child < 0) return 1;
        if (child == 0) ::_exit(sign_in_sandbox(authority));
        int status = 0;
        while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {}
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return 0;  // the proxy is gone
        ::sleep(short_life);
    }
}

std::string error_text(const fs::path& file, std::string_view what) { return fmt::format("{}: {}", file.string(), what); }

}  // namespace

fs::path authority_certificate(const Config& config) { return config.tls.ca_dir / "ca.pem"; }
fs::path authority_key(const Config& config) { return config.tls.ca_dir / "ca.key"; }

bool has_authority(const Config& config) {
    std::error_code error;
    return fs::exists(authority_certificate(config), error);
}

std::expected<net::tls::CertificatePtr, std::string> load_authority_certificate(const Config& config) {
    const fs::path file = authority_certificate(config);
    const Descriptor opened(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
    if (!opened) return std::unexpected(error_text(file, std::strerror(errno)));
    const auto text = read_small_file(opened.get());
    if (!text) return std::unexpected(error_text(file, text.error()));
    auto certificate = ca::certificate_from_pem(*text);
    if (!certificate) return std::unexpected(error_text(file, certificate.error().what));
    if (const auto good = ca::check_authority(**certificate, nullptr); !good) return std::unexpected(error_text(file, good.error().what));
    return std::move(*certificate);
}

std::expected<std::unique_ptr<ca::Signer>, std::string> start_signer(const Config& config) {
    const fs::path key_file = authority_key(config);
    const Descriptor certificate(::open(authority_certificate(config).c_str(), O_RDONLY | O_CLOEXEC));
    if (!certificate) return std::unexpected(error_text(authority_certificate(config), std::strerror(errno)));
    const Descriptor key(::open(key_file.c_str(), O_RDONLY | O_CLOEXEC));
    if (!key) return std::unexpected(error_text(key_file, std::strerror(errno)));
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0)
        return std::unexpected(fmt::format("the signer cannot be started: {}", std::strerror(errno)));
    auto signer = std::make_unique<ca::Signer>(ends[0]);
    Descriptor theirs(ends[1]);

    // Descriptors go beyond those that they are to become: one must not overwrite another.
    constexpr int above = 64;
    Descriptor high_socket(::fcntl(theirs.get(), F_DUPFD_CLOEXEC, above));
    const Descriptor high_certificate(::fcntl(certificate.get(), F_DUPFD_CLOEXEC, above));
    const Descriptor high_key(::fcntl(key.get(), F_DUPFD_CLOEXEC, above));
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, high_socket.get(), socket_descriptor);
    ::posix_spawn_file_actions_adddup2(&actions, high_certificate.get(), certificate_descriptor);
    ::posix_spawn_file_actions_adddup2(&actions, high_key.get(), key_descriptor);
    std::string name = "sluice";
    std::string word(signer_word);
    std::array<char*, 3> arguments{name.data(), word.data(), nullptr};
    pid_t pid = 0;
    const int error = ::posix_spawn(&pid, "/proc/self/exe", &actions, nullptr, arguments.data(), environ);
    ::posix_spawn_file_actions_destroy(&actions);
    if (error != 0) return std::unexpected(fmt::format("the signer cannot be started: {}", std::strerror(error)));

    // That it has the key is tried here, where it can be said. Its end of the socket is its own, so that its end is heard of.
    theirs.reset();
    high_socket.reset();
    const auto own_key = net::tls::KeyPtr(EVP_EC_gen("P-256"));
    ca::LeafRequest trial = ca::request_for("trial.invalid");
    if (own_key) trial.public_key = ca::public_key_of(*own_key).value_or("");
    if (const auto signed_leaf = signer->sign_and_read(trial); !signed_leaf) {
        ::kill(pid, SIGKILL);
        ::waitpid(pid, nullptr, 0);
        return std::unexpected(error_text(
            key_file, fmt::format("no key that signs for {} ({})", authority_certificate(config).string(), signed_leaf.error().what)));
    }
    return signer;
}

std::optional<int> run_as_signer(int argc, char** argv) {
    if (argc != 2 || argv[1] != signer_word) return std::nullopt;
    return run_signer_process();
}

}  // namespace sluice::app
