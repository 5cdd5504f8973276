// SPDX-License-Identifier: Apache-2.0
// ca init, show, export. None of them prints the key.
#include "app/authority.h"
#include "app/commands.h"
#include "app/config.h"
#include "app/loaded.h"
#include "inspect/descriptor.h"

#include <fmt/format.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <ostream>

namespace sluice::app {

namespace {

namespace fs = std::filesystem;
namespace ca = net::ca;
using inspect::Descriptor;

std::string host_name() {
    std::array<char, 256> name{};
    if (::gethostname(name.data(), name.size() - 1) != 0) return "this machine";
    return name.data();
}

// A new file, on disk when this returns. The text, or why not.
std::expected<void, std::string> write_new(int folder, const fs::path& file, const std::string& text, mode_t mode,
                                           const struct stat* owner) {
    const auto failed = [&] { return std::unexpected(fmt::format("{}: {}", file.string(), std::strerror(errno))); };
    const Descriptor out(::openat(folder, file.filename().c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode));
    if (!out || ::fchmod(out.get(), mode) != 0) return failed();
    if (owner != nullptr && ::fchown(out.get(), owner->st_uid, owner->st_gid) != 0) return failed();
    for (std::string_view rest = text; !rest.empty();) {
        const ssize_t written = ::write(out.get(), rest.data(), rest.size());
        if (written < 0 && errno != EINTR) return failed();
        if (written > 0) rest.remove_prefix(static_cast<std::size_t>(written));
    }
    if (::fsync(out.get()) != 0) return failed();
    return {};
}

void describe(const X509& certificate, const fs::path& file, std::ostream& out) {
    out << fmt::format("{:<14}{}\n", "subject", ca::subject_of(certificate));
    out << fmt::format("{:<14}{}\n", "valid until", ca::not_after_of(certificate));
    out << fmt::format("{:<14}{}\n", "SHA-256", ca::fingerprint(certificate));
    out << fmt::format("{:<14}{}\n", "file", file.string());
}

int init(const Config& config, std::ostream& err) {
    const fs::path& folder = config.tls.ca_dir;
    const auto fault = [&](std::string_view message) {
        err << "sluice: " << message << "\n";
        return exit_fault;
    };
    for (const fs::path& file : {authority_certificate(config), authority_key(config)}) {
        std::error_code error;
        if (fs::exists(fs::symlink_status(file, error)))
            return fault(fmt::format("{} is there already: devices trust it, so it is not replaced", file.string()));
    }
    std::error_code error;
    fs::create_directories(folder, error);
    if (error) return fault(fmt::format("{}: {}", folder.string(), error.message()));
    // Root makes it for whoever the proxy runs as; where that one is given up to after the start, root alone keeps the key.
    struct stat state{};
    const bool is_for_other = ::geteuid() == 0 && config.user.empty() && ::stat(config.state_dir.c_str(), &state) == 0 && state.st_uid != 0;
    const struct stat* owner = is_for_other ? &state : nullptr;
    // The state folder's owner may have put a link there: it is not followed.
    const Descriptor opened(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!opened || (owner != nullptr && ::fchown(opened.get(), owner->st_uid, owner->st_gid) != 0))
        return fault(fmt::format("{}: {}", folder.string(), std::strerror(errno)));
    const auto made = ca::make_authority(fmt::format("Sluice CA of {}", host_name()).substr(0, 64));
    if (!made) return fault(made.error().what);
    std::string key = ca::key_to_pem(*made->key);
    auto written = write_new(opened.get(), authority_key(config), key, 0600, owner);
    OPENSSL_cleanse(key.data(), key.size());
    if (written) written = write_new(opened.get(), authority_certificate(config), ca::to_pem(*made->certificate), 0644, owner);
    if (!written) return fault(written.error());
    describe(*made->certificate, authority_certificate(config), err);
    err << "\nDevices must trust it before their connections are decrypted: `sluice ca export > sluice-ca.pem`, or\n"
           "http://sluice.internal/ through the proxy, which says how. Then set `intercept = true` in [tls].\n";
    return exit_good;
}

}  // namespace

int run_ca(const CommandLine& line, std::ostream& out, std::ostream& err) {
    // Only [tls], `user` and `state_dir` are wanted.
    Diagnostics faults;
    const Config config = load_config(line.config, faults);
    if (line.ca.action == CaAction::init) return init(config, err);
    const auto certificate = load_authority_certificate(config);
    if (!certificate) {
        err << "sluice: " << certificate.error() << "\n";
        if (!has_authority(config)) err << "There is no CA yet: `sluice ca init` makes it.\n";
        return exit_fault;
    }
    if (line.ca.action == CaAction::show) describe(**certificate, authority_certificate(config), out);
    else out << (line.ca.is_der ? ca::to_der(**certificate) : ca::to_pem(**certificate));
    out.flush();
    return out ? exit_good : exit_fault;
}

}  // namespace sluice::app
