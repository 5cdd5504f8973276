// SPDX-License-Identifier: Apache-2.0
#include "policy/countries.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "unit/policy/country_database.h"

namespace sluice::policy {
namespace {

class CountriesTest : public ::testing::Test {
protected:
    CountriesTest() {
        std::string name = (std::filesystem::temp_directory_path() / "sluice-countries-XXXXXX").string();
        folder_ = mkdtemp(name.data());
    }
    ~CountriesTest() override {
        std::error_code ignored;
        std::filesystem::remove_all(folder_, ignored);
    }
    std::string write(std::string_view bytes) const {
        std::ofstream(folder_ / "country.mmdb", std::ios::binary) << bytes;
        return (folder_ / "country.mmdb").string();
    }
    static std::string_view of(const Countries& countries, std::string_view address) {
        return countries.of(IpAddress::parse(address).value());
    }

private:
    std::filesystem::path folder_;
};

const testing::CountryDatabase database({{"192.0.2.0", 24, "DE"}, {"198.51.100.7", 32, "FR"}, {"2001:db8::", 32, "JP"}});

TEST_F(CountriesTest, of_addresses_of_both_families) {
    const auto countries = Countries::load(write(database.bytes()));
    ASSERT_TRUE(countries);
    EXPECT_EQ(of(**countries, "192.0.2.200"), "DE");
    EXPECT_EQ(of(**countries, "198.51.100.7"), "FR");
    EXPECT_EQ(of(**countries, "2001:db8:1::1"), "JP");
    for (const std::string_view elsewhere : {"192.0.3.1", "198.51.100.8", "2001:db9::1", "::1", "255.255.255.255"})
        EXPECT_EQ(of(**countries, elsewhere), "") << elsewhere;
}

TEST_F(CountriesTest, are_what_the_file_said_when_it_was_read) {
    const std::string path = write(database.bytes());
    const auto countries = Countries::load(path);
    ASSERT_TRUE(countries);
    std::filesystem::resize_file(path, 0);
    EXPECT_EQ(of(**countries, "192.0.2.200"), "DE");
}

TEST_F(CountriesTest, a_file_that_is_none_is_an_error) {
    const auto missing = Countries::load("/nonexistent.mmdb");
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().cause, ENOENT);
    EXPECT_EQ(missing.error().side, Side::self);
    for (const std::string& bytes : {std::string(), std::string("text"), database.bytes().substr(0, 900)}) {
        const auto countries = Countries::load(write(bytes));
        ASSERT_FALSE(countries);
        EXPECT_EQ(countries.error().what, "is no MaxMind database");
    }
}

// Whatever byte of it is wrong: at worst a country is not known.
TEST_F(CountriesTest, a_broken_file_breaks_nothing) {
    const std::string whole = database.bytes();
    for (std::size_t i = 0; i < whole.size(); i += 7) {
        std::string broken = whole;
        broken[i] = static_cast<char>(~broken[i]);
        if (const auto countries = Countries::load(write(broken)))
            for (const std::string_view address : {"192.0.2.200", "2001:db8::1", "10.0.0.1"}) (void)of(**countries, address);
    }
}

}  // namespace
}  // namespace sluice::policy
