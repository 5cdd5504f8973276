// SPDX-License-Identifier: Apache-2.0
// Messages of other readers' tests: what is found does not depend on the cuts, and attachments have the names that their manifest says.
#include "protocols/mime/mail_reader.h"

#include "unit/support/corpora.h"
#include "unit/support/mail.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <array>
#include <fstream>
#include <iterator>
#include <set>

namespace sluice::mime {
namespace {

std::string contents(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

// Lines of tests/unit/protocols/mime/corpus_names.txt: a file of the manifest, and why its names are not ours.
std::set<std::string> exceptions() {
    std::set<std::string> out;
    std::ifstream file(SLUICE_SOURCE_DIR "/tests/unit/protocols/mime/corpus_names.txt");
    for (std::string line; std::getline(file, line);)
        if (!line.empty() && line.front() != '#') out.insert(line.substr(0, line.find(' ')));
    return out;
}

bool same(const test::ReadMail& a, const test::ReadMail& b) {
    if (a.ambiguities != b.ambiguities || a.parts.size() != b.parts.size()) return false;
    for (std::size_t i = 0; i < a.parts.size(); ++i)
        if (a.parts[i].data != b.parts[i].data || a.parts[i].part.names != b.parts[i].part.names) return false;
    return true;
}

TEST(MailCorpus, cuts_make_no_difference) {
    const std::filesystem::path corpus = test::corpus("eml");
    if (corpus.empty()) GTEST_SKIP() << "the corpora are not there";
    for (const auto& entry : std::filesystem::recursive_directory_iterator(corpus)) {
        if (entry.path().extension() != ".eml" || entry.file_size() > 200'000) continue;
        const std::string text = contents(entry.path());
        for (const Reading reading : {Reading::usual, Reading::last_wins, Reading::strict, Reading::sweep}) {
            const test::ReadMail whole = test::read_mail(text, reading);
            for (const std::size_t size : {std::size_t{1}, std::size_t{7}, std::size_t{64}, std::size_t{1'000}}) {
                if (size == 1 && text.size() > 20'000) continue;
                std::vector<std::string_view> pieces;
                for (std::size_t at = 0; at < text.size(); at += size) pieces.push_back(std::string_view(text).substr(at, size));
                ASSERT_TRUE(same(test::read_mail(pieces, reading), whole)) << entry.path() << " cut by " << size;
            }
        }
    }
}

TEST(MailCorpus, names_of_the_manifest) {
    const std::filesystem::path corpus = test::corpus("eml");
    if (corpus.empty()) GTEST_SKIP() << "the corpora are not there";
    const std::set<std::string> excepted = exceptions();
    std::ifstream manifest(corpus / "manifest.jsonl");
    std::size_t names = 0;
    for (std::string line; std::getline(manifest, line);) {
        const auto entry = nlohmann::json::parse(line);
        const std::string file = entry["file"];
        if (excepted.contains(file)) continue;
        const test::ReadMail got = test::read_mail(contents(corpus / file));
        for (const std::string wanted : entry["attachments"]) {
            ++names;
            const std::string last = wanted.substr(wanted.find_last_of("/\\") + 1);
            const bool is_there = std::ranges::any_of(
                got.parts, [&](const test::ReadPart& one) { return std::ranges::find(one.part.names, last) != one.part.names.end(); });
            EXPECT_TRUE(is_there) << file << ": " << wanted;
        }
    }
    EXPECT_GT(names, 50U);
}

}  // namespace
}  // namespace sluice::mime
